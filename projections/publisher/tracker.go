package publisher

import (
	"context"
	"sync"
	"time"

	"payledger/projections"
)

// mark is a place in the log (for routes: in the route events) up to which everything is acknowledged.
type mark struct {
	position int64
	hash     [32]byte // of the event; zero for routes
}

// tracker knows which messages are on their way, and up to where all are acknowledged. Positions are dense, so what is open
// is a stretch of the log; it is bounded, which keeps the reader from running ahead of the broker.
type tracker struct {
	room chan struct{} // holds a token per open position

	mu    sync.Mutex
	acked mark
	open  []opening // positions acked.position+1, +2, …
}

type opening struct {
	mark
	left int // messages not acknowledged yet
}

func newTracker(acked mark, limit int) *tracker {
	return &tracker{room: make(chan struct{}, limit), acked: acked}
}

// add opens the next position with its number of messages, which may be 0. It waits for room.
func (t *tracker) add(ctx context.Context, m mark, messages int) error {
	select {
	case t.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, opening{m, messages})
	t.advance()
	return nil
}

// done says that one message of a position was acknowledged.
func (t *tracker) done(position int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[position-t.acked.position-1].left--
	t.advance()
}

// last returns the place up to which everything is acknowledged.
func (t *tracker) last() mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}

// trackerPoll is how often await looks.
const trackerPoll = 2 * time.Millisecond

// await waits until everything up to a position is acknowledged.
func (t *tracker) await(ctx context.Context, position int64) error {
	for {
		if t.last().position >= position {
			return nil
		}
		projections.Wait(ctx, trackerPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (t *tracker) advance() {
	n := 0
	for n < len(t.open) && t.open[n].left == 0 {
		t.acked = t.open[n].mark
		n++
		<-t.room
	}
	if n == len(t.open) {
		t.open = t.open[:0] // reuse the memory from its start
		return
	}
	t.open = t.open[n:]
}
