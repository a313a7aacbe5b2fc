package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// verifyPage is the number of positions that one query reads. A query is short: a long snapshot would slow the writers down.
	verifyPage = 4096
	// readAhead is how many pages are read at the same time, each over a connection of its own: one server process alone is slower than
	// what takes its rows.
	readAhead = 2
	// Events go from the reading to the hashing goroutine in chunks of so many events, or fewer if they are large. The usual page fits
	// its chunks, so that it is read to its end while the one before is hashed.
	chunkEvents = 512
	chunkBytes  = 1 << 20
	chunkCount  = verifyPage / chunkEvents
)

// chunk is a run of events whose payloads lie in one piece of memory, used again and again.
type chunk struct {
	events []Recorded
	bytes  []byte
}

// page is a stretch of the log, read by a goroutine of its own.
type page struct {
	last, to int64 // the last position read, the last to read
	conn     *pgxpool.Conn
	scanner  scanner
	current  *chunk
	full     chan *chunk // closed at the end
	free     chan *chunk
	err      error // of the reading; set before full is closed
}

// chain verifies the events: pages are read side by side, this goroutine follows them in order.
func (v *verification) chain(ctx context.Context) (*damage, error) {
	r := &pageReader{reader: v.reader, pages: make(chan *page, readAhead), spare: make(chan chan *chunk, readAhead), stop: make(chan struct{})}
	for range readAhead {
		free := make(chan *chunk, chunkCount)
		for range chunkCount {
			free <- &chunk{events: make([]Recorded, 0, chunkEvents), bytes: make([]byte, 0, chunkBytes)}
		}
		r.spare <- free
	}
	go r.read(ctx, v.from-1, v.to)
	defer r.end()
	v.versions = newVersionCheck(v.prints, maxVersions)
	for p := range r.pages {
		bad, err := v.checkPage(ctx, p)
		r.done(p)
		if bad != nil || err != nil {
			return bad, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if next := v.from + v.done; next <= v.to {
		return damaged(next, "the event is missing and none follows: the tail is cut off"), nil
	}
	v.ends = v.versions.ends
	return nil, nil
}

// checkPage checks the events of a page and returns the first damage: a wrong event, an unreadable row, or a version that doesn't follow.
func (v *verification) checkPage(ctx context.Context, p *page) (bad *damage, err error) {
	for c := range p.full {
		for i := range c.events {
			if bad != nil {
				break // the rest is only taken over, so that the reader doesn't wait in vain
			}
			if bad = v.checkEvent(&c.events[i]); bad == nil {
				v.versions.add(&c.events[i])
			}
		}
		if bad == nil && v.progress != nil {
			v.progress(v.done, v.to-v.from+1)
		}
		p.free <- c
	}
	switch {
	case errors.Is(p.err, errUnreadable):
		bad = lower(bad, damaged(p.last+1, "%v", p.err))
	case p.err != nil:
		return nil, p.err
	}
	// The page's connection is idle by now, so that this needs no other one.
	doubtful, err := v.versions.resolve(ctx, p.conn)
	return lower(bad, doubtful), err
}

// pageReader reads pages. Each has its connection before the next one asks for one, and keeps it until it is done: so there is always one that
// can go on, however few connections there are.
type pageReader struct {
	reader *Reader
	pages  chan *page
	spare  chan chan *chunk // chunks of pages that are done
	stop   chan struct{}
	err    error // set before pages is closed
}

func (r *pageReader) read(ctx context.Context, after, to int64) {
	defer close(r.pages)
	for ; after < to; after += verifyPage {
		p := &page{last: after, to: min(after+verifyPage, to), full: make(chan *chunk, chunkCount)}
		select {
		case p.free = <-r.spare:
		case <-r.stop:
			return
		}
		var err error
		if p.conn, err = r.reader.pool.Acquire(ctx); err != nil {
			r.err = fmt.Errorf("read the log after %d: %w", after, err)
			return
		}
		r.pages <- p // there is room for as many as there are chunks for
		go p.read(ctx)
	}
}

// done takes back what a page has used.
func (r *pageReader) done(p *page) {
	p.conn.Release()
	r.spare <- p.free
}

// end stops the reading and waits for it.
func (r *pageReader) end() {
	close(r.stop)
	for p := range r.pages {
		for c := range p.full {
			p.free <- c
		}
		r.done(p)
	}
}

// A range and no limit, so that the next page is known before this one is read.
const sqlReadRange = `SELECT ` + eventColumns + ` FROM ledger.events WHERE position > $1 AND position <= $2 ORDER BY position`

func (p *page) read(ctx context.Context) {
	defer close(p.full)
	err := eachRow(ctx, p.conn, sqlReadRange, []any{p.last, p.to}, p.row)
	p.send()
	if err != nil && !errors.Is(err, errUnreadable) {
		err = fmt.Errorf("read the log after %d: %w", p.last, err)
	}
	p.err = err
}

// row takes one event over.
func (p *page) row(raw [][]byte) error {
	size := len(raw[9]) + len(raw[10]) // data and metadata
	if c := p.current; c != nil && (len(c.events) == chunkEvents || len(p.scanner.arena)+size > chunkBytes) {
		p.send()
	}
	if p.current == nil {
		p.current = <-p.free
		p.current.events = p.current.events[:0]
		p.scanner.arena = p.current.bytes[:0]
	}
	c := p.current
	c.events = append(c.events, Recorded{})
	e := &c.events[len(c.events)-1]
	if err := p.scanner.scan(raw, e); err != nil {
		c.events = c.events[:len(c.events)-1]
		return err
	}
	p.last = e.Position
	return nil
}

func (p *page) send() {
	if p.current != nil {
		p.full <- p.current
		p.current = nil
	}
}
