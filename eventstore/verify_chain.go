package eventstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
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
	// maxVersions bounds the streams whose last version is remembered; the versions of others are looked up.
	maxVersions = 1 << 20
)

// chunk is a run of events whose payloads lie in one piece of memory, used again and again.
type chunk struct {
	events []Recorded
	bytes  []byte
}

// chain verifies the events: one goroutine reads and follows the versions, this one hashes.
func (v *verification) chain(ctx context.Context) (*damage, error) {
	r := newChainReader(v.reader, v.from, v.to)
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

func newChainReader(r *Reader, from, to int64) *chainReader {
	cr := &chainReader{reader: r, last: from - 1, to: to, full: make(chan *chunk, chunkCount), free: make(chan *chunk, chunkCount)}
	cr.versions = versionCheck{limit: maxVersions, seed: maphash.MakeSeed(), last: make(map[uint64]int64)}
	for range chunkCount {
		cr.free <- &chunk{events: make([]Recorded, 0, chunkEvents), bytes: make([]byte, 0, chunkBytes)}
	}
	return cr
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

// versionCheck finds versions that don't follow the one before in their stream. What it can't decide from what it
// remembers (the middle of a log, very many streams, a collision of hashes) it looks up.
type versionCheck struct {
	limit  int
	seed   maphash.Seed
	last   map[uint64]int64 // hash of stream -> its last version so far
	doubts doubts
}

// doubts are events to look up, as columns.
type doubts struct {
	tenants, streams    []string
	versions, positions []int64
}

func (c *versionCheck) add(e *Recorded) {
	key := maphash.Comparable(c.seed, e.Stream)
	last, known := c.last[key]
	// Of a stream that isn't known, version 1 is right: were there another one, the sum of all versions would tell.
	if e.Version != last+1 || !known && e.Version != 1 {
		d := &c.doubts
		d.tenants, d.streams = append(d.tenants, e.Stream.Tenant), append(d.streams, e.Stream.Name)
		d.versions, d.positions = append(d.versions, e.Version), append(d.positions, e.Position)
	}
	if len(c.last) >= c.limit {
		clear(c.last)
	}
	c.last[key] = e.Version
}

// The version before must stand at a lower position, and the same version nowhere lower. Scalar subqueries, so that each
// is an index look-up whatever the planner thinks of the sizes.
const sqlDoubts = `SELECT coalesce(min(q.position), 0)
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS q (tenant, stream, version, position)
WHERE q.version > 1 AND coalesce((SELECT max(e.position) FROM ledger.events e
        WHERE e.tenant = q.tenant AND e.stream = q.stream AND e.version = q.version - 1), q.position) >= q.position
   OR q.version < 1
   OR (SELECT min(e.position) FROM ledger.events e
        WHERE e.tenant = q.tenant AND e.stream = q.stream AND e.version = q.version) < q.position`

func (c *versionCheck) resolve(ctx context.Context, r *Reader) (*damage, error) {
	d := c.doubts
	c.doubts = doubts{}
	if len(d.positions) == 0 {
		return nil, nil
	}
	position, err := r.firstPosition(ctx, sqlDoubts, d.tenants, d.streams, d.versions, d.positions)
	if err != nil {
		return nil, fmt.Errorf("look up versions: %w", err)
	}
	if position == 0 {
		return nil, nil
	}
	return damaged(position, "the event's version doesn't follow the one before in its stream"), nil
}
