package eventstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// notifyChannel is where the writer says, once per batch, that the log has grown.
	notifyChannel = "ledger"
	// wakePoll is how often loops look without having been told: what a lost notification costs at most.
	wakePoll = time.Second
	// relistenPause is the wait before a lost connection is made again.
	relistenPause = 200 * time.Millisecond

	// pressedWait is how long a commit has been under way before it is written when commands come faster than they are done. Else
	// it reads what it needs and waits for the batch before it: some 2 ms.
	pressedWait = 4 * time.Millisecond
	// pressedCommits is how many commits that are under way in a process make a peak: fewer wait for a far database, not for a processor.
	pressedCommits = 8
	// A batch that had waited counts for pressedTimes as long, within these bounds: the slower batches come, the longer the pause
	// between two that isn't the end of the peak.
	pressedTimes   = 10
	leastPressed   = 100 * time.Millisecond
	longestPressed = time.Second
	// giveWayStep is how often who gives way looks again.
	giveWayStep = 10 * time.Millisecond
)

// Follow calls handle with the events after a position, in order, at most limit at a time, and then with new ones as they
// are committed. It ends with the first error: that of ctx, of handle, or of reading (ErrGap is damage; after another
// error the caller may follow again from the last position it handled).
func (r *Reader) Follow(ctx context.Context, after int64, limit int, handle func(context.Context, []Recorded) error) error {
	waker := NewWaker(r.pool, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() { waker.Run(ctx) })
	return r.follow(ctx, waker, after, limit, handle)
}

func (r *Reader) follow(ctx context.Context, waker *Waker, after int64, limit int, handle func(context.Context, []Recorded) error) error {
	limit = max(limit, 1)
	for {
		grown := waker.Next() // before reading: what is committed after the read closes it
		events, err := r.ReadAll(ctx, after, limit)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			if err := handle(ctx, events); err != nil {
				return err
			}
			after = events[len(events)-1].Position
		}
		if len(events) == limit {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Waker tells any number of loops that the log may have grown. It listens on a connection of its own, makes that again
// when it is lost, and wakes the loops from time to time in any case. A loop does, in this order:
//
//	grown := waker.Next()
//	// read and handle what is new; only if there was nothing:
//	<-grown
type Waker struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	poll time.Duration

	mu   sync.Mutex
	next chan struct{}

	pressed atomic.Pointer[time.Time] // until when the last batch that had waited counts; nil for never
}

// NewWaker returns a waker for the database of pool. It wakes nobody until Run runs.
func NewWaker(pool *pgxpool.Pool, log *slog.Logger) *Waker {
	return &Waker{pool: pool, log: log, poll: wakePoll, next: make(chan struct{})}
}

// Next returns a channel that is closed at the next wake-up.
func (w *Waker) Next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Run listens until ctx ends.
func (w *Waker) Run(ctx context.Context) {
	var polling sync.WaitGroup
	defer polling.Wait()
	polling.Go(func() { w.every(ctx, w.poll) })
	for ctx.Err() == nil {
		err := w.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		w.log.WarnContext(ctx, "listening for new events was interrupted", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(relistenPause):
		}
	}
}

func (w *Waker) every(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.wake()
		}
	}
}

// listen returns only with an error: that of ctx, or of the connection.
func (w *Waker) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, w.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relistenPause)
		defer cancel()
		_ = conn.Close(ctx) // it may be broken already; nothing is lost with it
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	for {
		w.wake() // first for what was committed while nobody listened
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		w.note(n.Payload)
	}
}

// note reads a writer's notification: a position, for how many microseconds the batch's oldest commit had been under way, and how many
// commits were under way: most of a peak's may wait for what they read, and batches be small.
func (w *Waker) note(payload string) {
	var position, micros, commits int64
	_, err := fmt.Sscan(payload, &position, &micros, &commits)
	waited := time.Duration(micros) * time.Microsecond
	if err == nil && waited >= pressedWait && commits >= pressedCommits {
		until := clock().Add(min(max(pressedTimes*waited, leastPressed), longestPressed))
		w.pressed.Store(&until)
	}
}

// GiveWay returns once commands no longer wait for the writer, when allowed has passed since began at the latest: began is when the
// caller last stood at the end of the log. Work that can wait calls it before it goes on, so that at a peak the processors are
// the commands'.
func (w *Waker) GiveWay(ctx context.Context, began time.Time, allowed time.Duration) {
	deadline := began.Add(allowed)
	for ctx.Err() == nil {
		now, pressed := clock(), w.pressed.Load()
		if !now.Before(deadline) || pressed == nil || !now.Before(*pressed) {
			return
		}
		select {
		case <-time.After(giveWayStep):
		case <-ctx.Done():
		}
	}
}

func (w *Waker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.next)
	w.next = make(chan struct{})
}

// clock measures how long something waits. What is stored takes its time from commands or the database.
func clock() time.Time { return time.Now() } //nolint:forbidigo // see above
