package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// maxBatchBytes is the size from which on no further commit is taken into a batch.
	maxBatchBytes = 8 << 20
	// attemptTimeout bounds one attempt at writing a batch, the wait for the head lock included.
	attemptTimeout = 12 * time.Second
	// Waits between attempts double from firstBackoff to lastBackoff.
	firstBackoff = 10 * time.Millisecond
	lastBackoff  = 500 * time.Millisecond
)

// writer is the one goroutine of a store that writes. It takes what waits as a batch and commits it in one transaction. While that is
// under way it makes the next one ready: see ahead.
type writer struct {
	store  *Store
	config *pgconn.Config
	conn   *conn  // nil when the last one failed
	batch  *batch // being written
	next   *batch // being collected
}

func newWriter(ctx context.Context, s *Store) (*writer, error) {
	config, err := writerConfig(s.config.URL)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, config: config}
	if w.conn, err = connect(ctx, config); err != nil {
		return nil, err
	}
	w.batch, w.next = newBatch(s, w.ahead), newBatch(s, w.ahead)
	return w, nil
}

func (w *writer) run(ctx context.Context) {
	defer close(w.store.done)
	for w.take(ctx) {
		w.store.failpoint(FailTaken)
		w.write(ctx, w.batch.reqs)
	}
	if w.conn != nil {
		w.conn.close(ctx)
	}
}

// take goes on with the batch that was collected and adds all that wait. It waits for a request when there is none. False: the store was
// closed and nothing waits.
func (w *writer) take(ctx context.Context) bool {
	w.batch, w.next = w.next, w.batch
	w.next.empty()
	w.batch.review(w.conn)
	for !w.batch.full() {
		r := w.receive(len(w.batch.reqs) == 0)
		if r == nil {
			break
		}
		w.batch.take(ctx, r)
	}
	return len(w.batch.reqs) > 0
}

// receive returns a request that waits, else nil. With wait it waits for one, unless the store is closed.
func (w *writer) receive(wait bool) *request {
	if wait {
		return <-w.store.queue
	}
	select {
	case r := <-w.store.queue:
		return r
	default:
		return nil
	}
}

// write commits reqs and answers them. When a row or a panic spoils the batch it is halved, down to the guilty commit, which is
// refused alone; every attempt decides anew.
func (w *writer) write(ctx context.Context, reqs []*request) {
	// Who is decided beside an erasure might not see it: it goes alone.
	if i := slices.IndexFunc(reqs, func(r *request) bool { return r.commit.Erase != nil }); i >= 0 && len(reqs) > 1 {
		for _, part := range [][]*request{reqs[:i], reqs[i : i+1], reqs[i+1:]} {
			if len(part) > 0 {
				w.write(ctx, part)
			}
		}
		return
	}
	err := w.persist(ctx, reqs)
	var guilt *guiltError
	switch {
	case err == nil:
		w.store.counts.add(reqs)
		answer(reqs)
		w.store.failpoint(FailAnswered)
	case errors.As(err, &guilt) && len(reqs) > 1:
		half := len(reqs) / 2
		w.write(ctx, reqs[:half])
		w.write(ctx, reqs[half:])
	case errors.As(err, &guilt):
		refuse(reqs, guilt.reason)
	default:
		w.store.config.Logger.LogAttrs(ctx, slog.LevelError, "batch given up",
			slog.Int("commits", len(reqs)), slog.Any("error", err))
		w.drain()
		refuse(reqs, fmt.Errorf("%w: %s", ErrBusy, err.Error())) // not wrapped: its deadline is not the caller's
	}
}

// drain refuses what still waits when the store is being closed and the database does not answer: Close must end.
func (w *writer) drain() {
	if !w.store.isClosed() {
		return
	}
	refuse(w.next.reqs, ErrClosed)
	w.next.empty()
	for r := range w.store.queue {
		if r.state.CompareAndSwap(waiting, taken) {
			refuse([]*request{r}, ErrClosed)
		}
	}
}

func answer(reqs []*request) {
	for _, r := range reqs {
		close(r.done)
	}
}

func refuse(reqs []*request, err error) {
	for _, r := range reqs {
		r.result, r.err = Result{}, fmt.Errorf("commit %s: %w", r.commit.ID, err)
	}
	answer(reqs)
}

// persist tries to commit reqs until it knows that they are, or that one of them is guilty, or patience ends. An attempt whose
// COMMIT was lost needs no special care: the next one locks the head, which waits for the old backend, and finds its commit ids.
func (w *writer) persist(ctx context.Context, reqs []*request) error {
	ctx, cancel := context.WithTimeout(ctx, w.store.config.Patience)
	defer cancel()
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := w.attempt(ctx, reqs)
		var guilt *guiltError
		if err == nil || errors.As(err, &guilt) {
			return err
		}
		w.store.counts.repeated.Add(1)
		w.store.config.Logger.LogAttrs(ctx, slog.LevelWarn, "batch is tried again", slog.Int("commits", len(reqs)), slog.Any("error", err))
		select {
		case <-time.After(wait/2 + rand.N(wait/2)): //nolint:gosec // jitter needs no secret
		case <-ctx.Done():
			return err
		}
	}
}

// attempt writes reqs in one transaction. After an error that blames no commit the connection is given up.
func (w *writer) attempt(ctx context.Context, reqs []*request) (err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if w.conn == nil {
		if w.conn, err = connect(ctx, w.config); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		w.store.failpoint(FailReconnected)
	}
	defer func() {
		if fault := recover(); fault != nil {
			w.store.config.Logger.ErrorContext(ctx, "batch panicked", faultAttrs(fault)...)
			err = &guiltError{reason: fmt.Errorf("%w: %v", ErrPanic, fault)}
			w.drop(ctx)
		}
	}()
	if err = w.batch.commit(ctx, w.conn, reqs); err == nil {
		return nil
	}
	if guilt := blame(err); guilt != nil && w.rollback(ctx) == nil {
		return guilt
	}
	w.drop(ctx)
	if guilt := blame(err); guilt != nil {
		return guilt
	}
	return err
}

func (w *writer) rollback(ctx context.Context) error {
	return w.conn.exchange(ctx, []call{{stmt: stmtRollback}}, nil)
}

func (w *writer) drop(ctx context.Context) {
	w.conn.close(ctx)
	w.conn = nil
}

// faultAttrs describes a recovered panic for the log.
func faultAttrs(fault any) []any {
	return []any{slog.Any("panic", fault), slog.String("stack", string(debug.Stack()))}
}

// guiltError is the fault of one commit of a batch: a row that Postgres refuses, or a panic.
type guiltError struct{ reason error }

func (e *guiltError) Error() string { return e.reason.Error() }
func (e *guiltError) Unwrap() error { return e.reason }

// blame returns the error of a batch that one of its commits must be guilty of, else nil: SQLSTATE classes 22 (data exception), 23
// (constraint) and 54 (a limit of Postgres). The server has ended the transaction then.
func blame(err error) *guiltError {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return nil
	}
	switch pg.Code[:2] {
	case "22", "23", "54":
		return &guiltError{reason: fmt.Errorf("%w: %w", ErrStored, err)}
	}
	return nil
}

func (s *Store) failpoint(name string) {
	if s.config.Failpoint != nil {
		s.config.Failpoint(name)
	}
}

// counters count what the writer did since the store was opened.
type counters struct {
	batches, commits, events, redecided, repeated, unread, mistaken, ahead atomic.Int64
}

func (c *counters) add(reqs []*request) {
	c.batches.Add(1)
	c.commits.Add(int64(len(reqs)))
}

// Stats counts what a store's writer has done since it was opened.
type Stats struct {
	Batches   int64 // transactions that were committed
	Commits   int64 // commits answered in them, refusals included
	Events    int64 // events appended
	Redecided int64 // decisions made again under the lock because a stream had moved on
	Repeated  int64 // attempts at a batch that failed and were tried again
	Unread    int64 // batches that were written in one round trip, since nobody else wrote
	Mistaken  int64 // batches that were tried so and had to be read first
	Ahead     int64 // batches that were decided while the one before was written
	Waiting   int   // commits that wait now
}

// Stats returns what the writer has done so far.
func (s *Store) Stats() Stats {
	return Stats{
		Batches: s.counts.batches.Load(), Commits: s.counts.commits.Load(), Events: s.counts.events.Load(),
		Redecided: s.counts.redecided.Load(), Repeated: s.counts.repeated.Load(), Unread: s.counts.unread.Load(), Mistaken: s.counts.mistaken.Load(),
		Ahead: s.counts.ahead.Load(), Waiting: len(s.queue),
	}
}
