package eventstore

import (
	"context"
	"fmt"
	"log/slog"
	"math"
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
	// A peak begins when half of the batches of the last moments had waited, since one alone may have met a slow disk, and ends when a tenth
	// had, since what gives way makes them quicker. A moment is how long it takes until what was before counts a third; one batch
	// counts for peakStep at most, whatever was before it.
	peakMoment = 200 * time.Millisecond
	peakStep   = 50 * time.Millisecond
	peakBegins = 0.5
	peakEnds   = 0.1
	// peakSilence is for how long a peak without any batch is still one: the machine may be that slow in the midst of it.
	peakSilence = time.Second
	// wantedAllowed makes the batches of a peak larger than one of the writer's, which costs less, and is too short for a reader to feel.
	wantedAllowed = 50 * time.Millisecond
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

	pressure atomic.Pointer[pressure]
}

// pressure is how many of the last batches had waited, as a share, whether that makes a peak, and when the last one came.
type pressure struct {
	share float64 //nolint:forbidigo // of batches
	peak  bool
	at    time.Time
}

// after returns the pressure after one more batch.
func (p pressure) after(waited bool, at time.Time) pressure {
	now := 0.
	if waited {
		now = 1
	}
	weight := 1 - math.Exp(-min(at.Sub(p.at), peakStep).Seconds()/peakMoment.Seconds())
	share := p.share + weight*(now-p.share)
	return pressure{share: share, peak: share > peakBegins || p.peak && share > peakEnds, at: at}
}

// NewWaker returns a waker for the database of pool. It wakes nobody until Run runs.
func NewWaker(pool *pgxpool.Pool, log *slog.Logger) *Waker {
	w := &Waker{pool: pool, log: log, poll: wakePoll, next: make(chan struct{})}
	w.pressure.Store(&pressure{})
	return w
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
	if err != nil {
		return // of a writer that doesn't say
	}
	waited := time.Duration(micros)*time.Microsecond >= pressedWait && commits >= pressedCommits
	p := w.pressure.Load().after(waited, clock())
	w.pressure.Store(&p)
}

// GiveWay returns once commands no longer wait for the writer, when allowed has passed since began at the latest: began is when the
// caller last stood at the end of the log. Work that can wait calls it before it goes on, so that at a peak the processors are
// the commands'. While wanted, if it isn't nil, says that somebody waits for this work, no more than wantedAllowed is allowed.
func (w *Waker) GiveWay(ctx context.Context, began time.Time, allowed time.Duration, wanted func() bool) {
	for ctx.Err() == nil {
		now := clock()
		if p := w.pressure.Load(); !p.peak || now.Sub(p.at) >= peakSilence {
			return
		}
		if wanted != nil && wanted() {
			allowed = min(allowed, wantedAllowed)
		}
		if !now.Before(began.Add(allowed)) {
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
