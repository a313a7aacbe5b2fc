package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"payledger/eventstore"
	"payledger/projections"
)

// saveEvery is how often the cursors are stored: what came after the last time comes again after a crash.
const saveEvery = 100 * time.Millisecond

// session is one stretch of publishing: one lease, one connection to Kafka. Four pumps read and fold, lanes send, and the
// goroutine of run stores the cursors, which alone uses the lease.
type session struct {
	Config
	renderer
	lease *projections.Lease
	bus   message.Publisher
	head  eventstore.Head

	from             cursors // where the pumps start
	saved            cursors
	moved            bool // whether anything was published
	db, index, route *lanes
	seen             *watermark // how far the db pump has read
	broker           brokerState
	began            time.Time
	leaseUntil       atomic.Int64 // nanoseconds since began: a clock that is set back mustn't make the lease longer
}

func newSession(cfg Config, lease *projections.Lease, bus message.Publisher, head eventstore.Head, from cursors) *session {
	s := &session{
		Config: cfg, renderer: newRenderer(cfg.Source, head.Epoch), lease: lease, bus: bus,
		head: head, from: from, saved: from, began: cfg.Now(), seen: newWatermark(from.db),
	}
	s.broker.log = cfg.Logger
	s.db, s.index, s.route = newLanes(s.carrier(), from.db), newLanes(s.carrier(), from.index), newLanes(s.carrier(), from.route)
	s.db.tracker.acked.hash = from.hash
	return s
}

// carrier is what the session's lanes send with.
func (s *session) carrier() *carrier {
	return &carrier{
		bus: s.bus, broker: &s.broker, failpoint: s.Failpoint, retried: s.Metrics.retries.Inc,
		mayStill: func() error {
			if s.holdsLease() {
				return nil
			}
			return projections.ErrLeaseLost
		},
		sent: s.Metrics.sent,
	}
}

// run publishes until ctx ends or something goes wrong. What is in hand then is sent still, unless the broker or the lease
// is what went wrong, so that little comes twice.
func (s *session) run(ctx context.Context) error {
	if err := s.renew(ctx); err != nil {
		return err
	}
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var fault firstFault
	var senders, readers sync.WaitGroup
	giveUp := func(err error) {
		fault.set(err)
		stopReading()
		stopSending()
	}
	for _, l := range []*lanes{s.db, s.index, s.route} {
		l.start(sending, &senders, giveUp)
	}
	for _, pump := range []func(context.Context) error{s.pumpDB, s.pumpIndex, s.pumpRoutes, s.pumpCheckpoints} {
		readers.Go(func() {
			fault.set(pump(reading)) // what comes of a stop is sorted out at the end
			stopReading()
		})
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		<-reading.Done() // pumps end with it only
		late := time.AfterFunc(s.drainTime(), stopSending)
		defer late.Stop()
		readers.Wait()
		for _, l := range []*lanes{s.db, s.index, s.route} {
			l.close()
		}
		senders.Wait()
	}()
	s.keep(context.WithoutCancel(ctx), sent, giveUp)
	if ctx.Err() != nil && fault.passing() {
		return ctx.Err()
	}
	return fault.get()
}

// drainTime bounds how long lanes may go on after the pumps have ended: not at all while Kafka is away.
func (s *session) drainTime() time.Duration {
	if s.broker.failing.Load() {
		return 0
	}
	return drainTimeout
}

// keep stores the cursors and so keeps the lease, until all is sent; the last time is after that.
func (s *session) keep(ctx context.Context, sent <-chan struct{}, giveUp func(error)) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		last := false
		select {
		case <-tick.C:
		case <-sent:
			last = true
		}
		if err := s.save(ctx); err != nil {
			giveUp(err)
			<-sent
			return
		}
		if last {
			return
		}
	}
}

// save stores the cursors if they have moved, and renews the lease if that is due.
func (s *session) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.LeaseTTL)
	defer cancel()
	db := s.db.tracker.last()
	to := cursors{db: db.position, index: s.index.tracker.last().position, route: s.route.tracker.last().position, hash: db.hash}
	if to == s.saved {
		if s.lease.Due() {
			return s.renew(ctx)
		}
		return nil
	}
	began := s.Now()
	if err := saveCursors(ctx, s.Pool, s.lease, s.head.Epoch, s.saved, to, began); err != nil {
		return err
	}
	s.saved, s.moved = to, true
	s.holdUntil(began)
	s.Failpoint("saved")
	return nil
}

func (s *session) renew(ctx context.Context) error {
	began := s.Now()
	if err := s.lease.Renew(ctx); err != nil {
		return err
	}
	s.holdUntil(began)
	return nil
}

// holdUntil notes that the lease was renewed. The last third of its time is left for what a message takes on its way.
func (s *session) holdUntil(renewed time.Time) {
	s.leaseUntil.Store(int64(renewed.Sub(s.began) + s.LeaseTTL*2/3))
}

// holdsLease reports whether nobody else can be sending. It is asked before each message.
func (s *session) holdsLease() bool { return int64(s.Now().Sub(s.began)) < s.leaseUntil.Load() }

// pause waits until the log has grown, and then a little, so that a busy log is read in batches.
func (s *session) pause(ctx context.Context, grown <-chan struct{}) error {
	began := s.Now()
	select {
	case <-grown:
	case <-ctx.Done():
		return ctx.Err()
	}
	projections.Wait(ctx, s.Interval-s.Now().Sub(began))
	return ctx.Err()
}

// firstFault keeps the first error of many goroutines; what follows from it is not interesting.
type firstFault struct {
	once sync.Once
	err  error
}

func (f *firstFault) set(err error) { f.once.Do(func() { f.err = err }) }

// get may be called once all goroutines have ended.
func (f *firstFault) get() error { return f.err }

func (f *firstFault) passing() bool {
	return f.err == nil || errors.Is(f.err, context.Canceled)
}

// watermark is a growing position that others wait for.
type watermark struct {
	mu   sync.Mutex
	at   int64
	next chan struct{}
}

func newWatermark(at int64) *watermark { return &watermark{at: at, next: make(chan struct{})} }

func (w *watermark) advance(to int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = to
	close(w.next)
	w.next = make(chan struct{})
}

// beyond waits until the mark stands beyond a position.
func (w *watermark) beyond(ctx context.Context, position int64) error {
	for {
		w.mu.Lock()
		at, next := w.at, w.next
		w.mu.Unlock()
		if at > position {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("wait for events: %w", ctx.Err())
		}
	}
}
