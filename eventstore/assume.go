package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// DefaultAloneAfter is after how many batches that found the head where this writer had left it the next is written unread.
	DefaultAloneAfter = 4
	// clockFor is for how long the server's clock, once read, is told by our own.
	clockFor = time.Second
	// DefaultClockWithin is for how long the batch whose answer tells the server's clock may have been under way: it was read at any moment
	// of that.
	DefaultClockWithin = 100 * time.Millisecond
)

// errReadFirst says that a batch can't be written unread, or that what was assumed for it isn't so. Nothing is stored.
var errReadFirst = errors.New("read first")

// footprint is where a batch left the log, and how many in a row found it where the one before had left it.
type footprint struct {
	head       Head
	recordedAt time.Time
	alone      int
}

// leaves returns where a batch leaves the log, once it is written.
func (b *batch) leaves(reqs []*request) footprint {
	alone := 0
	if b.before == b.conn.left.head {
		alone = b.conn.left.alone + 1
	}
	if reqs[0].commit.Erase != nil {
		alone = 0 // the next one reads that somebody was erased
	}
	recordedAt := b.found
	if b.writes.commits.rows() > 0 {
		recordedAt = b.recordedAt
	}
	return footprint{b.head, recordedAt, alone}
}

// assume writes a batch in one round trip, unread. A writer that found the log as it had left it a few times takes it that nobody else
// writes: then its head, the states of its cache and those that callers have just loaded are those of the log. Nothing depends on that
// being true: what was assumed is asked for again by the transaction that writes, behind the lock that its first statement takes. It
// breaks off with any head, version, key or find of a watch that is another, and with a commit id or claim of somebody who is refused that
// was answered before; those of who is stored are unique, as new streams are. Whatever Postgres refuses, the answer is errReadFirst: the
// batch is decided again from what is read under the lock.
//
// COMMIT is on its way before the lock is held. So the lock isn't waited for, and see batch.fence: a transaction that is given up must not
// come to it later.
func (b *batch) assume(ctx context.Context, reqs []*request) error {
	if b.prepared && len(reqs) == len(b.reqs) {
		b.store.counts.ahead.Add(1)
	} else if !b.prepare(ctx, reqs) {
		return errReadFirst
	}
	b.prepared = false
	if b.writes.commits.rows() == 0 {
		return errReadFirst
	}
	b.store.failpoint(FailDecided)
	b.calls = append(b.calls[:0], call{stmt: stmtBegin}, call{stmt: stmtLockFree, failpoint: FailLocked, params: [][]byte{
		binaryInt64(b.before.Position), binaryInt64(b.before.Epoch), b.before.Hash[:], binaryInt64(b.before.Route), binaryTime(b.found),
	}})
	b.addExpectations(reqs)
	b.addRows()
	b.addHead()
	err := b.commitCalls(ctx, reqs)
	if err == nil {
		b.store.counts.unread.Add(1)
		return nil
	}
	return b.mistaken(ctx, reqs, err)
}

// prepare settles reqs on where the batch before has left the log. False: something isn't known.
func (b *batch) prepare(ctx context.Context, reqs []*request) bool {
	if !b.begin(b.conn, b.conn.left, nil) {
		return false
	}
	for _, r := range reqs {
		if !b.admit(ctx, r) {
			return false
		}
	}
	return true
}

// begin makes the batch ready for requests that are settled on basis, where previous, if given, leaves the log. False: it has to be read.
func (b *batch) begin(c *conn, basis footprint, previous *batch) bool {
	if basis.alone < b.store.config.AloneAfter || basis.recordedAt.IsZero() || !c.clock.fresh() {
		return false
	}
	b.conn = c
	b.reset()
	b.prepared, b.assumes = true, true
	b.basis, b.previous = basis, previous
	b.head, b.before, b.recordedAt, b.found = basis.head, basis.head, basis.recordedAt, basis.recordedAt
	b.generation = b.store.generation.Load()
	b.stamp()
	return true
}

// admit settles one more request on what is known without asking. False: something isn't, or it can't be settled.
func (b *batch) admit(ctx context.Context, r *request) (settled bool) {
	defer func() {
		if fault := recover(); fault != nil {
			settled = false // it is tried again, and blamed
		}
	}()
	return b.know(ctx, r) && b.settle(ctx, r) == nil
}

// know gives the batch what a request is about.
func (b *batch) know(ctx context.Context, r *request) bool {
	if r.lookup || r.generation != b.generation || r.commit.Erase != nil || r.commit.Claim != nil && r.commit.Claim.Holder != uuid.Nil {
		return false
	}
	b.watched[r] = b.finds(r)
	for _, id := range r.decision.Keys {
		b.alive[id] = true
	}
	for i, id := range r.view.ids {
		b.knowStream(ctx, id, r.view.states[i])
	}
	for _, id := range b.watched[r] {
		b.knowStream(ctx, id, StreamState{}) // those of the batch before: the view has the others
	}
	return true
}

// finds returns what the watch of a request finds, with what the batch before has moved.
func (b *batch) finds(r *request) []StreamID {
	found := r.view.watched
	if r.commit.Watch == nil || b.previous == nil {
		return found
	}
	for _, e := range b.previous.movedFor(r.commit.Watch) {
		if r.commit.Watch.finds(e) && !r.view.watches(e.id) {
			found = append(slices.Clip(found), e.id)
		}
	}
	return found
}

// knowStream gives the batch the newest that is known of a stream.
func (b *batch) knowStream(ctx context.Context, id StreamID, loaded StreamState) {
	if b.streams[id] != nil {
		return
	}
	e := b.entry(id)
	if b.previous != nil {
		if p := b.previous.streams[id]; p != nil {
			e.state, e.pending, e.err = p.state, slices.Clip(p.pending), p.err
			e.locate(p.version, p.position, []byte(p.subject))
			return
		}
	}
	e.state = loaded
	if known, _ := b.store.remembered(ctx, id, b.generation); known.Version > e.state.Version {
		e.state = known
	}
	e.locate(e.state.Version, e.state.Position, []byte(e.state.Subject))
}

// addExpectations adds the statements that break the transaction off unless all is as it was assumed: streams that the batch
// appends to are told by those that write them.
func (b *batch) addExpectations(reqs []*request) {
	p := &b.params
	p.news.reset()
	for _, e := range b.entries {
		if e.appender == nil {
			p.news.arrays[0].addText(e.id.Tenant)
			p.news.arrays[1].addText(e.id.Name)
			p.news.arrays[2].addInt64(e.stored)
		}
	}
	b.send(stmtExpectVersions, "", &p.news)
	b.askKeysAndWatches(reqs)
	b.askCommitsAndClaims(reqs, b.writesNothing)
	b.send(stmtExpectNoCommits, "", &p.commits)
	b.send(stmtExpectNoClaims, "", &p.claims)
	found := 0
	for _, r := range reqs {
		found += len(b.watched[r])
	}
	b.send(stmtExpectWatched, "", &p.watches, binaryInt64(int64(found)))
	b.send(stmtExpectKeys, "", &p.keys)
}

// writesNothing says whether a request is answered without a row of its own: if it was answered before, nothing unique would tell.
func (b *batch) writesNothing(r *request) bool {
	_, writes := b.commitOf(r)
	return !writes
}

// mistaken ends a transaction that Postgres has broken off. When it can't be reached, the outcome is open and err comes back.
func (b *batch) mistaken(ctx context.Context, reqs []*request, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || b.conn.exchange(ctx, []call{{stmt: stmtRollback}}, nil) != nil {
		b.store.adrift = true
		return fmt.Errorf("write batch unread: %s", err.Error()) // not wrapped: no commit is to blame for what was assumed
	}
	for _, r := range reqs {
		r.wasSent = false
	}
	b.conn.left = footprint{}
	b.store.counts.mistaken.Add(1)
	return errReadFirst
}

// serverClock tells the time of the server's clock.
type serverClock struct {
	read time.Time // of the server
	at   time.Time // of ours, when it was read
}

func (c *serverClock) set(now time.Time) { c.read, c.at = now, clock() }

// fresh asks the wall clock: the other stands still while a machine is suspended.
func (c *serverClock) fresh() bool {
	age := clock().Round(0).Sub(c.at.Round(0))
	return age >= 0 && age < clockFor
}

// now has whole microseconds, as the log has.
func (c *serverClock) now() time.Time {
	return c.read.Add(clock().Sub(c.at).Truncate(time.Microsecond))
}
