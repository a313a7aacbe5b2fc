package publisher

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Replay says what is sent again, and where to. Nothing of the publisher's own moves.
type Replay struct {
	Source
	Bus    message.Publisher
	To     string // a topic, which exists
	From   int64  // first position
	Until  int64  // last position, of the log as it is
	Filter Filter
	Logger *slog.Logger
	// Stretch is how many positions are on their way at most, and how many are sent before an erasure is let through; default DefaultStretch.
	Stretch int64
	// Progress, if not nil, is told from time to time how far it is, by one goroutine.
	Progress func(Replayed)
	// Failpoint is nil but in tests. It is called at "acknowledged": the broker has a message, nobody knows.
	Failpoint func(point string)
}

// Replayed is how far a replay has come.
type Replayed struct {
	Position int64 // up to here everything is acknowledged; what comes after may be, too
	Messages int64 // that were acknowledged
}

// DefaultStretch is that of Replay.
const DefaultStretch = 2048

// replayTick is how often progress is told.
const replayTick = 100 * time.Millisecond

// Check says whether a replay can be meant: ErrBadFilter.
func (r Replay) Check(ctx context.Context) error {
	_, err := r.Filter.ready(ctx, r.Source)
	return err
}

// Republish sends the messages of a stretch of the log again: those of a topic of ours to itself, or all to another one. Keys, values and
// headers are those of the first sending, texts of erased people excepted; two headers more tell them apart (x-replay, ledger-topic). Order
// holds for each key. It goes on while somebody is erased: see AwaitReplays. When ctx ends it sends what it has in hand and returns how far it came, with ctx's error. Other errors are ErrBadFilter,
// ErrBroker when Kafka doesn't take messages, a *projections.HaltedError for a damaged log, and the database's.
func Republish(ctx context.Context, r Replay) (Replayed, error) {
	chosen, err := r.Filter.ready(ctx, r.Source)
	if err != nil {
		return Replayed{Position: r.From - 1}, err
	}
	if r.Failpoint == nil {
		r.Failpoint = func(string) {}
	}
	if r.Stretch == 0 {
		r.Stretch = DefaultStretch
	}
	fence, err := openFence(ctx, r.Pool)
	if err != nil {
		return Replayed{Position: r.From - 1}, err
	}
	defer fence.close(ctx)
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var fault firstFault
	var acknowledged atomic.Int64
	var senders sync.WaitGroup
	lanes := newLanes(&carrier{
		bus: r.Bus, broker: &brokerState{log: r.Logger}, failpoint: r.Failpoint, retried: func() {},
		mayStill: func() error { return nil }, sent: func(Kind) { acknowledged.Add(1) },
	}, r.From-1)
	lanes.start(sending, &senders, func(err error) {
		fault.set(err)
		stopReading()
		stopSending()
	})
	far := func() Replayed {
		at := lanes.tracker.last()
		return Replayed{at.position, acknowledged.Load()}
	}
	stopTelling := r.tell(far)
	if err := r.hand(reading, lanes, chosen, fence); err != nil {
		fault.set(err)
	}
	if ctx.Err() != nil {
		late := time.AfterFunc(drainTimeout, stopSending)
		defer late.Stop()
	}
	lanes.close()
	senders.Wait()
	stopTelling()
	done := far()
	switch {
	case done.Position == r.Until:
		return done, nil
	case ctx.Err() != nil && fault.passing():
		return done, ctx.Err()
	}
	return done, fault.get()
}

// tell tells progress until the function that it returns is called, and once more then.
func (r Replay) tell(far func() Replayed) (stop func()) {
	if r.Progress == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(replayTick)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.Progress(far())
			case <-end:
				r.Progress(far())
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// hand renders stretch by stretch and hands what is chosen of them to the lanes, by Kafka key: that is the order that consumers see. A stretch is
// acknowledged before the next begins.
func (r Replay) hand(ctx context.Context, lanes *lanes, chosen *selection, fence *fence) error {
	log, err := newAgain(ctx, r.Source, r.From-1)
	if err != nil {
		return err
	}
	for after := r.From - 1; after < r.Until; {
		if err := fence.share(ctx); err != nil {
			return err
		}
		log.forgetRead()
		end := min(after+r.Stretch, r.Until)
		if err := r.stretch(ctx, log, after, end, lanes, chosen); err != nil {
			return err
		}
		if err := lanes.tracker.await(ctx, end); err != nil {
			return err
		}
		if err := fence.leave(ctx); err != nil {
			return err
		}
		after = end
	}
	return nil
}

func (r Replay) stretch(ctx context.Context, log *again, after, end int64, lanes *lanes, chosen *selection) error {
	for after < end {
		page, err := log.page(ctx, after, end)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return errEndsBefore
		}
		for i := range page {
			var out []outgoing
			for _, o := range page[i].sent {
				if chosen.selects(&o) {
					out = append(out, r.marked(o))
				}
			}
			after = page[i].rec.Position
			if err := lanes.put(ctx, markOf(page[i].rec), out); err != nil {
				return err
			}
		}
	}
	return nil
}

// errEndsBefore: the caller has asked for what isn't there.
var errEndsBefore = errors.New("the log ends before the last position that was asked for")

// marked returns the message as it is sent again.
func (r Replay) marked(o outgoing) outgoing {
	meta := maps.Clone(o.msg.Metadata)
	meta[headerReplay], meta[headerTopic] = "true", o.topic
	return outgoing{kind: o.kind, topic: r.To, lane: meta[KeyMetadata], msg: &message.Message{Metadata: meta, Payload: o.msg.Payload}}
}
