package publisher

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/cenkalti/backoff/v5"

	"payledger/projections"
)

const (
	// laneCount is how many messages of one cursor are on their way at most: each lane has one. Against a real broker 256
	// brought a third more messages a second than 64, with less CPU for each: requests carry more.
	laneCount = 256
	// laneQueue is how many wait in a lane before the reader waits too.
	laneQueue = 8
	// maxOpen is how many positions of one cursor may be on their way.
	maxOpen = 4096
	// sendAttempts is how often a message is tried before the connection is given up and made anew.
	sendAttempts = 6
)

// lanes send the messages of one cursor in parallel, those of one lane one after the other: that keeps the order of a key.
type lanes struct {
	*carrier
	tracker *tracker
	seed    maphash.Seed
	queues  []chan parcel
	ended   <-chan struct{} // closed when the lanes must stop sending
}

// carrier is what lanes send with. Lanes of several cursors share it.
type carrier struct {
	bus       message.Publisher
	broker    *brokerState
	mayStill  func() error // asked before each attempt: an error says why nothing may be sent any more
	sent      func(Kind)   // called for each message that was acknowledged
	retried   func()       // called for each attempt that failed
	failpoint func(point string)
}

// parcel is a message with the position that it belongs to.
type parcel struct {
	outgoing
	position int64
}

func newLanes(c *carrier, from int64) *lanes {
	l := &lanes{carrier: c, tracker: newTracker(mark{position: from}, maxOpen), seed: maphash.MakeSeed(), queues: make([]chan parcel, laneCount)}
	for i := range l.queues {
		l.queues[i] = make(chan parcel, laneQueue)
	}
	return l
}

// start runs the lanes until their queues are closed and empty, or ctx ends, or one can't send: giveUp is then told why.
func (l *lanes) start(ctx context.Context, running *sync.WaitGroup, giveUp func(error)) {
	l.ended = ctx.Done()
	for _, queue := range l.queues {
		running.Go(func() {
			if err := l.run(ctx, queue); err != nil {
				giveUp(err)
			}
		})
	}
}

// close lets the lanes end once they have sent what waits in them.
func (l *lanes) close() {
	for _, queue := range l.queues {
		close(queue)
	}
}

// put hands over the messages of the next position; there may be none. It waits while too much is on its way. When ctx ends,
// it hands over all of them or none: of a position half sent, that half would come again.
func (l *lanes) put(ctx context.Context, at mark, messages []outgoing) error {
	if err := l.tracker.add(ctx, at, len(messages)); err != nil {
		return err
	}
	for _, m := range messages {
		select {
		case l.queues[maphash.String(l.seed, m.lane)%laneCount] <- parcel{m, at.position}:
		case <-l.ended:
			return errLanesEnded
		}
	}
	return nil
}

func (l *lanes) run(ctx context.Context, queue <-chan parcel) error {
	for p := range queue {
		if err := l.send(ctx, p); err != nil {
			return err
		}
		l.failpoint("acknowledged")
		l.tracker.done(p.position)
	}
	return nil
}

// send tries until the broker has acknowledged. Before each attempt it looks whether it still may: another owner of the lease may
// be sending by now.
func (l *lanes) send(ctx context.Context, p parcel) error {
	pause := backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond, MaxInterval: 2 * time.Second, Multiplier: 2, RandomizationFactor: 0.5}
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.mayStill(); err != nil {
			return fmt.Errorf("before sending position %d: %w", p.position, err)
		}
		err := l.bus.Publish(p.topic, p.msg)
		if err == nil {
			l.sent(p.kind)
			l.broker.works(ctx)
			return nil
		}
		l.retried()
		l.broker.fails(ctx, p, err)
		if attempt == sendAttempts {
			return fmt.Errorf("send position %d to %s: %w: %w", p.position, p.topic, ErrBroker, err)
		}
		projections.Wait(ctx, pause.NextBackOff())
	}
}

// brokerState says once that the broker refuses messages, however many lanes find out, and once that it takes them again.
type brokerState struct {
	failing atomic.Bool
	log     *slog.Logger
}

func (b *brokerState) fails(ctx context.Context, p parcel, err error) {
	if b.failing.CompareAndSwap(false, true) {
		b.log.WarnContext(ctx, "kafka refuses messages, trying again", slog.String("topic", p.topic),
			slog.Int64("position", p.position), slog.String("error", err.Error()))
	}
}

func (b *brokerState) works(ctx context.Context) {
	if b.failing.Load() && b.failing.CompareAndSwap(true, false) {
		b.log.InfoContext(ctx, "kafka takes messages again")
	}
}

// errLanesEnded follows from the fault that ended the lanes, or from a stop that took too long.
var errLanesEnded = fmt.Errorf("lanes have ended: %w", context.Canceled)

// ErrBroker says that Kafka doesn't take messages. It passes.
var ErrBroker = errors.New("kafka")
