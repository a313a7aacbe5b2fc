package eventstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// maxRounds bounds how often a decision may ask for More streams.
const maxRounds = 16

// A request's way: it waits until either the writer takes it or its caller gives it up, whichever comes first.
const (
	waiting int32 = iota
	taken
	abandoned
)

// request is a commit on its way through the writer.
type request struct {
	commit Commit
	lookup bool // asks what was stored under commit.ID, and writes nothing

	// What the caller's goroutine prepared: the decision and what it was made on.
	view       view
	generation int64
	decision   Decision
	refusal    error
	size       int // bytes that the decision stores, about

	state atomic.Int32
	began time.Time     // when its caller came with it
	done  chan struct{} // closed by the writer when result and err are final

	result Result
	err    error
	// sent is the result of the last attempt whose COMMIT was sent. If its id is found in the log, this is what became of it.
	sent     Result
	wasSent  bool
	recorded []Recorded // the events of the last attempt
}

// Commit makes the decision of c and stores what it returns, all or nothing. The error of a decision comes back after it was checked
// under the lock on the head; Result.Head is then the head that it was made at. Other errors: ErrBusy, ErrFingerprint,
// ErrClaimRunning, ErrSubjectChanged, ErrKeyDestroyed, ErrKeyUnknown, ErrStored, ErrPanic, ErrInvalid, ErrClosed, and what the
// Folder returns. When ctx ends first, its error comes back and Lookup tells whether the commit was stored.
func (s *Store) Commit(ctx context.Context, c Commit) (Result, error) {
	if c.ID == uuid.Nil || c.Decide == nil {
		return Result{}, fmt.Errorf("%w: a commit needs an id and a decision", ErrInvalid)
	}
	s.underWay.Add(1)
	defer s.underWay.Add(-1)
	r := &request{commit: c, began: clock(), done: make(chan struct{})}
	if err := s.prepare(ctx, r); err != nil {
		return Result{}, fmt.Errorf("prepare commit %s: %w", c.ID, err)
	}
	return s.await(ctx, r)
}

// prepare loads what the commit names and makes its decision, in the caller's goroutine and without a lock. The decision counts if
// the writer finds its streams unchanged.
func (s *Store) prepare(ctx context.Context, r *request) error {
	r.generation = s.generation.Load()
	v := &r.view
	v.add(r.commit.Streams...)
	v.add(r.commit.New...)
	if w := r.commit.Watch; w != nil {
		ids, err := s.findWatched(ctx, w)
		if err != nil {
			return err
		}
		for _, id := range ids {
			v.watch(id)
		}
	}
	loaded := 0
	for range maxRounds {
		if err := s.loadView(ctx, v, loaded, r.commit.New, r.generation); err != nil {
			return err
		}
		loaded = len(v.ids)
		r.decision, r.refusal = s.decide(ctx, r, v)
		if r.refusal != nil || len(r.decision.More) == 0 {
			r.size = r.decision.size()
			return nil //nolint:nilerr // a refusal is checked by the writer
		}
		if v.add(r.decision.More...) == 0 {
			break
		}
	}
	r.refusal = errEndless
	return nil
}

var errEndless = fmt.Errorf("%w: the decision keeps asking for more streams", ErrInvalid)

// decide calls the commit's function. A panic is a refusal of this commit alone.
func (s *Store) decide(ctx context.Context, r *request, v *view) (d Decision, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.config.Logger.ErrorContext(ctx, "decision panicked", append(faultAttrs(fault), slog.String("commit_id", r.commit.ID.String()))...)
			d, err = Decision{}, fmt.Errorf("%w: %v", ErrPanic, fault)
		}
	}()
	return r.commit.Decide(v)
}

// size is about the number of bytes that a decision stores.
func (d *Decision) size() int {
	n := 0
	for i := range d.Appends {
		for j := range d.Appends[i].Events {
			e := &d.Appends[i].Events[j]
			n += len(e.Data) + len(e.Metadata)
		}
	}
	if d.Answer != nil {
		n += len(d.Answer.Body)
	}
	if d.Route != nil {
		n += len(d.Route.Body)
	}
	return n
}

// await hands a request to the writer and waits for what becomes of it.
func (s *Store) await(ctx context.Context, r *request) (Result, error) {
	if err := s.enqueue(r); err != nil {
		return Result{}, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		r.state.CompareAndSwap(waiting, abandoned)
		return Result{}, fmt.Errorf("wait for commit %s: %w", r.commit.ID, ctx.Err())
	}
	return r.result, r.err
}

func (s *Store) enqueue(r *request) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.queue <- r:
		return nil
	default:
		return fmt.Errorf("%w: %d commits are waiting", ErrBusy, cap(s.queue))
	}
}
