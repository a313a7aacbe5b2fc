package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/readmodels/checkpoints"
)

// Name and Version name the publisher's lease in ledger.checkpoints. Its cursors have no version.
const (
	Name    = "publisher"
	Version = 1
)

// Defaults of Config.
const (
	DefaultInterval = 4 * time.Millisecond
	DefaultLeaseTTL = 3 * time.Second
)

// connectTimeout bounds one attempt to reach Kafka.
const connectTimeout = 20 * time.Second

// drainTimeout bounds how long a publisher that was told to stop goes on sending what it has in hand.
const drainTimeout = 3 * time.Second

var noEvent uuid.UUID

// Source is the log, and how messages are rendered from it.
type Source struct {
	Pool    *pgxpool.Pool // connections of the projector role: up to four at a time
	Reader  *eventstore.Reader
	Catalog *catalog.Catalog
	Keys    eventstore.Keys
	Topics  TopicConfig
	// IndexUpdatedOnCreatedTopic sends index updates to the -created topic as well, marked by ledger-action: updated.
	IndexUpdatedOnCreatedTopic bool
}

// Config is what a publisher needs. The second half may be left zero.
type Config struct {
	Source
	Waker       *eventstore.Waker
	Checkpoints *checkpoints.Watcher
	Connect     Connect
	// IndexAfter is the projection that makes documents findable: search where there is one, else documents. Index events
	// wait for its checkpoint.
	IndexAfter checkpoints.Projection
	Logger     *slog.Logger
	Metrics    *Metrics
	Now        func() time.Time

	Owner    string        // who holds the lease, shown to operators; default a random id
	Interval time.Duration // least time between two reads that weren't full: bounds the queries a second
	GiveWay  time.Duration // how far behind it may fall to leave the processors to commands that wait; 0: it never gives way
	LeaseTTL time.Duration // how long a killed owner keeps its standby waiting
	// Failpoint is nil but in tests. It is called at "read" (a page is folded, nothing of it is sent), "acknowledged" (the broker has
	// one, nobody knows) and "saved" (the cursors are stored).
	Failpoint func(point string)
}

func (c *Config) setDefaults() {
	if c.Owner == "" {
		c.Owner = uuid.NewString()
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.Failpoint == nil {
		c.Failpoint = func(string) {}
	}
}

// Run publishes until ctx ends, as the owner of the lease or waiting for it, and then returns nil. While Kafka or the
// database can't be reached it tries again with growing pauses. It returns a *projections.HaltedError when it can't go
// on: for an event that can't be read, for missing cursors (ErrNoCursors), after a restore (ErrCursorBeyondLog).
func Run(ctx context.Context, cfg Config) error {
	cfg.setDefaults()
	cfg.Logger = cfg.Logger.With(slog.String("projection", Name))
	p := &publisher{
		Config:  cfg,
		backoff: backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, MaxInterval: 5 * time.Second, Multiplier: 2, RandomizationFactor: 0.5},
	}
	return projections.Own(ctx, projections.OwnConfig{
		Lease:  projections.LeaseConfig{Pool: p.Pool, Projection: Name, Version: Version, Owner: p.Owner, TTL: p.LeaseTTL},
		Logger: p.Logger, Now: p.Now, Backoff: &p.backoff, Drains: true,
		Halted:  func(string) { p.Metrics.halted.Set(1) },
		Retried: func(string) {}, // sessions aren't counted, messages are
	}, p.publish)
}

type publisher struct {
	Config
	backoff backoff.ExponentialBackOff
}

// publish connects to Kafka and runs a session.
func (p *publisher) publish(ctx context.Context, lease *projections.Lease) error {
	head, from, err := p.start(ctx, lease)
	if err != nil {
		return halting(err, lease.Checkpoint().Position, noEvent)
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	bus, err := p.Connect(connecting)
	if err != nil {
		return fmt.Errorf("connect to kafka: %w", err)
	}
	s := newSession(p.Config, lease, bus, head, from)
	err = s.run(ctx)
	if s.moved {
		p.backoff.Reset()
	}
	return errors.Join(err, bus.Close())
}

// start reads where to go on, and compares the log with what was published from it.
func (p *publisher) start(ctx context.Context, lease *projections.Lease) (head eventstore.Head, from cursors, err error) {
	if head, err = p.Reader.Head(ctx); err != nil {
		return head, from, err
	}
	err = pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		if err := lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		from, err = loadCursors(ctx, tx, head)
		return err
	})
	if err != nil {
		return head, from, err
	}
	at := lease.Checkpoint()
	if from.hash, err = p.hashAt(ctx, at.Position); err == nil && from.hash != at.Hash {
		err = projections.ErrOtherLog
	}
	if err == nil && from.db != at.Position { // migrate --new-epoch or an operator has set one of them
		from.hash, err = p.hashAt(ctx, from.db)
	}
	return head, from, err
}

// hashAt returns the hash of the event at a position, zero before the first. projections.ErrOtherLog: there is no such event.
func (p *publisher) hashAt(ctx context.Context, position int64) ([32]byte, error) {
	if position == 0 {
		return [32]byte{}, nil
	}
	recs, err := p.Reader.ReadAll(ctx, position-1, 1)
	if err != nil {
		return [32]byte{}, err
	}
	if len(recs) == 0 {
		return [32]byte{}, projections.ErrOtherLog
	}
	return recs[0].Hash, nil
}
