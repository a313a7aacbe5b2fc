package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// DefaultAloneAfter is after how many batches that found the head where this writer had left it the next is written unread.
	DefaultAloneAfter = 4
	// clockFor is for how long the server's clock, once read, is told by our own.
	clockFor = time.Second
)

// errReadFirst says that a batch can't be written unread, or that what was assumed for it isn't so. Nothing is stored.
var errReadFirst = errors.New("read first")

// footprint is where a batch left the log, and how many in a row found it where the one before had left it.
type footprint struct {
	head       Head
	recordedAt time.Time
	alone      int
}

// leave notes where the batch leaves the log.
func (b *batch) leave(reqs []*request) {
	alone := 0
	if b.before == b.left.head {
		alone = b.left.alone + 1
	}
	if reqs[0].commit.Erase != nil {
		alone = 0 // the next one reads that somebody was erased
	}
	b.left = footprint{b.head, b.recordedAt, alone}
}

// assume writes a batch in one round trip, unread. A writer that found the log as it had left it a few times takes it that nobody else
// writes: then its head, the states of its cache and those that callers have just loaded are those of the log. Nothing depends on that
// being true: what was assumed is asked for again by the transaction that writes, behind the lock that its first statement takes. It
// breaks off with any head, version, key or find of a watch that is another, and with a commit id or claim of somebody who is refused that
// was answered before; those of who is stored are unique, as new streams are. Whatever Postgres refuses, the answer is errReadFirst: the
// batch is decided again from what is read under the lock.
//
// COMMIT is on its way before the lock is held. So the lock isn't waited for: a transaction that is given up must not come to it later.
func (b *batch) assume(ctx context.Context, reqs []*request) error {
	if b.left.alone < b.store.config.AloneAfter || !b.clock.fresh() {
		return errReadFirst
	}
	b.reset()
	b.assumes = true
	b.head, b.before, b.recordedAt = b.left.head, b.left.head, b.left.recordedAt
	b.stamp()
	if !b.know(ctx, reqs) {
		return errReadFirst
	}
	for _, r := range reqs {
		if err := b.settle(ctx, r); err != nil {
			return err
		}
	}
	if b.writes.commits.rows() == 0 {
		return errReadFirst
	}
	b.store.failpoint(FailDecided)
	b.calls = append(b.calls[:0], call{stmt: stmtBegin}, call{stmt: stmtLockFree, failpoint: FailLocked, params: [][]byte{
		binaryInt64(b.before.Position), binaryInt64(b.before.Epoch), b.before.Hash[:], binaryInt64(b.before.Route),
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

// know gives the batch what is known without asking. False: something isn't.
func (b *batch) know(ctx context.Context, reqs []*request) bool {
	b.generation = b.store.generation.Load()
	for _, r := range reqs {
		if r.lookup || r.generation != b.generation || r.commit.Erase != nil || r.commit.Claim != nil && r.commit.Claim.Holder != uuid.Nil {
			return false
		}
		b.watched[r] = r.view.watched
		for _, id := range r.decision.Keys {
			b.alive[id] = true
		}
	}
	b.adopt(reqs)
	for _, e := range b.entries {
		if known, _ := b.store.remembered(ctx, e.id, b.generation); known.Version > e.state.Version {
			e.state = known
		}
		e.locate(e.state.Version, e.state.Position, []byte(e.state.Subject))
	}
	return true
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
		found += len(r.view.watched)
	}
	b.send(stmtExpectWatched, "", &p.watches, binaryInt64(int64(found)))
	b.send(stmtExpectKeys, "", &p.keys)
}

// writesNothing says whether a request is answered without a row of its own: if it was answered before, nothing unique would tell.
func (b *batch) writesNothing(r *request) bool {
	_, writes := b.stored[r.commit.ID]
	return !writes
}

// mistaken ends a transaction that Postgres has broken off. When it can't be reached, the outcome is open and err comes back.
func (b *batch) mistaken(ctx context.Context, reqs []*request, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || b.conn.exchange(ctx, []call{{stmt: stmtRollback}}, nil) != nil {
		return fmt.Errorf("write batch unread: %s", err.Error()) // not wrapped: no commit is to blame for what was assumed
	}
	for _, r := range reqs {
		r.wasSent = false
	}
	b.left = footprint{}
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
