package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// verifyPage is the number of events that one query reads. A query is short: a long snapshot would slow the writers down.
	verifyPage = 16_384
	// Events go from the reading to the hashing goroutine in chunks of so many events, or fewer if they are large.
	chunkEvents = 512
	chunkBytes  = 1 << 20
	chunkCount  = 6
)

// chunk is a run of events whose payloads lie in one piece of memory, used again and again.
type chunk struct {
	events []Recorded
	bytes  []byte
}

// chain verifies the events: one goroutine reads and follows the versions, this one hashes.
func (v *verification) chain(ctx context.Context) (*damage, error) {
	r := newChainReader(v)
	var readBad *damage
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(r.full)
		readBad, readErr = r.read(ctx)
	})
	bad := v.check(r)
	reading.Wait()
	if readErr != nil {
		return nil, readErr
	}
	v.ends = r.versions.ends
	bad = lower(bad, readBad)
	if next := v.from + v.done; bad == nil && next <= v.to {
		bad = damaged(next, "the event is missing and none follows: the tail is cut off")
	}
	return bad, nil
}

// check takes all chunks, so that the reader never waits in vain; after a damage it only asks the reader to stop.
func (v *verification) check(r *chainReader) (bad *damage) {
	for c := range r.full {
		for i := range c.events {
			if bad != nil {
				break
			}
			bad = v.checkEvent(&c.events[i])
		}
		if bad != nil {
			r.stop.Store(true)
		} else if v.progress != nil {
			v.progress(v.done, v.to-v.from+1)
		}
		r.free <- c
	}
	return bad
}

// chainReader reads events by pages and hands them on by chunks.
type chainReader struct {
	reader   *Reader
	last, to int64 // the last position read, the last to read
	scanner  scanner
	versions versionCheck

	current *chunk
	full    chan *chunk
	free    chan *chunk
	stop    atomic.Bool
}

func newChainReader(v *verification) *chainReader {
	r := &chainReader{reader: v.reader, last: v.from - 1, to: v.to, full: make(chan *chunk, chunkCount), free: make(chan *chunk, chunkCount)}
	r.versions = newVersionCheck(v.prints, maxVersions)
	for range chunkCount {
		r.free <- &chunk{events: make([]Recorded, 0, chunkEvents), bytes: make([]byte, 0, chunkBytes)}
	}
	return r
}

// read returns the damage that it sees itself: an unreadable row, or a version that doesn't follow.
func (r *chainReader) read(ctx context.Context) (*damage, error) {
	for r.last < r.to && !r.stop.Load() {
		before := r.last
		err := r.reader.each(ctx, sqlReadAll, []any{r.last, min(verifyPage, r.to-r.last)}, r.row)
		r.send()
		if errors.Is(err, errUnreadable) {
			return damaged(r.last+1, "%v", err), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the log after %d: %w", r.last, err)
		}
		// Between queries, so that this needs no second connection.
		if bad, err := r.versions.resolve(ctx, r.reader); bad != nil || err != nil {
			return bad, err
		}
		if r.last == before {
			return nil, nil // the tail is cut off; the checking side sees it
		}
	}
	return nil, nil
}

// row takes one event over.
func (r *chainReader) row(raw [][]byte) error {
	size := len(raw[9]) + len(raw[10]) // data and metadata
	if c := r.current; c != nil && (len(c.events) == chunkEvents || len(r.scanner.arena)+size > chunkBytes) {
		r.send()
	}
	if r.current == nil {
		r.current = <-r.free
		r.current.events = r.current.events[:0]
		r.scanner.arena = r.current.bytes[:0]
	}
	c := r.current
	c.events = append(c.events, Recorded{})
	e := &c.events[len(c.events)-1]
	if err := r.scanner.scan(raw, e); err != nil {
		c.events = c.events[:len(c.events)-1]
		return err
	}
	r.last = e.Position
	r.versions.add(e)
	return nil
}

func (r *chainReader) send() {
	if r.current != nil {
		r.full <- r.current
		r.current = nil
	}
}
