package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections/bulk"
)

// Defaults of RunConfig.
const (
	DefaultBatchSize = 4096
	leastBatchSize   = 64
	DefaultInterval  = 10 * time.Millisecond
	DefaultLeaseTTL  = 3 * time.Second
	DefaultDecoders  = 2
	DefaultBulkFrom  = 20_000
)

// RunConfig is what a runner needs. The second half may be left zero.
type RunConfig struct {
	Pool      *pgxpool.Pool // connections of the projector role: this runner takes up to two at a time
	Reader    *eventstore.Reader
	Waker     *eventstore.Waker
	Catalog   *catalog.Catalog
	Keys      eventstore.Keys
	Projector Projector
	Logger    *slog.Logger
	Metrics   *Metrics
	Now       func() time.Time

	Owner     string        // who holds the lease, shown to operators; default a random id
	BatchSize int           // most events of one transaction; fewer after one that got lost, which may have taken too long
	Interval  time.Duration // least time between two batches that aren't full: bounds the commits a second
	LeaseTTL  time.Duration // how long a killed owner keeps its standby waiting
	Decoders  int           // goroutines that decode a batch
	GiveWay   time.Duration // how far behind it may fall to leave the processors to commands that wait; 0: it never gives way
	Wanted    func() bool   // whether readers wait for it: it hardly gives way then; nil: they never do
	// Model is how a read model far behind the log is built at once, see package bulk; zero: it isn't. BulkFrom is how many events the
	// log then has at least, Code names what the rows are made by.
	Model    bulk.Model
	BulkFrom int64
	Code     string
	// Failpoint is nil but in tests. It is called at "decoded" (a batch is in hand, no transaction begun), "applied"
	// (before COMMIT) and "committed" (before anybody knows).
	Failpoint func(point string)
}

func (c *RunConfig) setDefaults() {
	if c.BatchSize == 0 {
		c.BatchSize = DefaultBatchSize
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.Decoders == 0 {
		c.Decoders = DefaultDecoders
	}
	if c.BulkFrom == 0 {
		c.BulkFrom = DefaultBulkFrom
	}
	if c.Failpoint == nil {
		c.Failpoint = func(string) {}
	}
}

// Run runs one projection until ctx ends, as the owner of its lease or waiting for it, and then returns nil. It returns a
// *HaltedError when an event can't be applied. Passing troubles are repeated for ever, with growing pauses.
func Run(ctx context.Context, cfg RunConfig) error {
	cfg.setDefaults()
	own := NewOwnConfig(LeaseConfig{
		Pool: cfg.Pool, Projection: cfg.Projector.Name(), Version: cfg.Projector.Version(), Owner: cfg.Owner, TTL: cfg.LeaseTTL,
	}, cfg.Logger, cfg.Now, cfg.Metrics)
	cfg.Logger = own.Logger
	r := &runner{RunConfig: cfg, name: cfg.Projector.Name(), handled: make(map[string]bool), backoff: own.Backoff}
	for _, t := range cfg.Projector.Handles() {
		r.handled[t] = true
	}
	for _, t := range cfg.Projector.Ignores() {
		r.handled[t] = false
	}
	r.batch.Store(int64(cfg.BatchSize))
	return Own(ctx, own, r.work)
}

type runner struct {
	RunConfig
	name    string
	handled map[string]bool // by event type; ignored ones are false
	backoff backoff.BackOff
	indexed bool         // the read model has all its indexes
	batch   atomic.Int64 // most events of the next transaction: BatchSize, or less
}

// shrink halves the batches to come: the last one got lost, and would again if it was too much for the machine as it is now.
func (r *runner) shrink() {
	r.batch.Store(max(r.batch.Load()/2, int64(min(leastBatchSize, r.BatchSize))))
}

// grow doubles the batches to come, up to what they may be.
func (r *runner) grow() { r.batch.Store(min(2*r.batch.Load(), int64(r.BatchSize))) }

// work prepares the read model and then applies what the pipeline brings.
func (r *runner) work(ctx context.Context, lease *Lease) error {
	r.Projector.Reset()
	r.indexed = false
	if err := r.ensureSchema(ctx, lease); err != nil {
		return r.halting(err, lease.Checkpoint().Position, uuid.Nil)
	}
	if err := r.checkLog(ctx, lease.Checkpoint()); err != nil {
		return err
	}
	if err := r.buildAtOnce(ctx, lease); err != nil {
		return err
	}
	if err := r.ensureIndexesAtEnd(ctx, lease); err != nil {
		return r.halting(err, lease.Checkpoint().Position, uuid.Nil)
	}
	r.Metrics.Applied(r.name, lease.Checkpoint().Position, 0)
	ctx, cancel := context.WithCancel(ctx)
	p := r.startPipeline(ctx, lease.Checkpoint().Position)
	defer p.wait()
	defer cancel()
	renew := time.NewTicker(r.LeaseTTL / 3)
	defer renew.Stop()
	for {
		select {
		case pg := <-p.pages:
			if err := r.applyPage(ctx, lease, pg); err != nil {
				return err
			}
		case <-renew.C:
			if lease.Due() {
				if err := lease.Renew(ctx); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ensureSchema creates the schema under the lease; it is then built from the first event on. What stands there at a checkpoint of 0
// goes first: it is of events that a restore took away, see migrate --new-epoch.
func (r *runner) ensureSchema(ctx context.Context, lease *Lease) error {
	began := r.Now()
	created := false
	err := pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		err := lease.RenewIn(ctx, tx)
		if err != nil {
			return err
		}
		if lease.Checkpoint().Position == 0 {
			if _, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{bulk.SchemaOf(r.Projector)}.Sanitize()+" CASCADE"); err != nil {
				return err
			}
		}
		if created, err = r.Projector.EnsureSchema(ctx, tx); err != nil || !created {
			return err
		}
		if err := lease.Move(ctx, tx, Checkpoint{}); err != nil {
			return err
		}
		// Who knows of a later checkpoint must not go on believing in it.
		_, err = tx.Exec(ctx, sqlNotifyCheckpoint, lease.notification(Checkpoint{}))
		return err
	})
	if err != nil {
		return fmt.Errorf("ensure the schema: %w", err)
	}
	if created {
		lease.Moved(Checkpoint{}, began)
	}
	return nil
}

// ensureIndexesAtEnd completes a read model that has nothing to catch up with.
func (r *runner) ensureIndexesAtEnd(ctx context.Context, lease *Lease) error {
	head, err := r.Reader.Head(ctx)
	if err != nil || lease.Checkpoint().Position < head.Position {
		return err
	}
	return r.ensureIndexes(ctx, lease)
}

// A long log makes large tables: their indexes may take minutes. The row of the lease is locked meanwhile, so nobody else begins.
const sqlIndexSettings = `SELECT set_config('statement_timeout', '0', true), set_config('maintenance_work_mem', '256MB', true),
    set_config('idle_in_transaction_session_timeout', $1, true), set_config('client_connection_check_interval', '1s', true)`

const sqlCountIndexes = `SELECT count(*) FROM pg_indexes WHERE schemaname = $1`

// ensureIndexes completes the read model once. Only then are its tables analysed: to do so at each start would keep the row locked for nothing.
func (r *runner) ensureIndexes(ctx context.Context, lease *Lease) error {
	if r.indexed {
		return nil
	}
	err := pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlIndexSettings, r.idleTimeout()); err != nil {
			return err
		}
		var before, after int
		if err := tx.QueryRow(ctx, sqlCountIndexes, bulk.SchemaOf(r.Projector)).Scan(&before); err != nil {
			return err
		}
		if err := r.Projector.EnsureIndexes(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, sqlCountIndexes, bulk.SchemaOf(r.Projector)).Scan(&after); err != nil || after == before {
			return err
		}
		if _, err := tx.Exec(ctx, "ANALYZE "+strings.Join(r.Projector.Tables(), ", ")); err != nil {
			return err
		}
		return lease.RenewIn(ctx, tx) // it took its time
	})
	if err != nil {
		return fmt.Errorf("ensure the indexes: %w", err)
	}
	r.indexed = true
	return nil
}

// checkLog compares the event at the checkpoint with the log: after a restore it may be another one, or none.
func (r *runner) checkLog(ctx context.Context, at Checkpoint) error {
	if at.Position == 0 {
		return nil
	}
	events, err := r.Reader.ReadAll(ctx, at.Position-1, 1)
	if err != nil {
		return r.halting(err, at.Position, uuid.Nil)
	}
	if len(events) == 0 || events[0].Hash != at.Hash {
		return r.halted(ErrOtherLog, at.Position, uuid.Nil)
	}
	return nil
}

// halting makes a halt of an error, unless it may pass or is about the lease.
func (r *runner) halting(err error, position int64, event uuid.UUID) error {
	if Transient(err) || errors.Is(err, ErrLeaseLost) {
		return err
	}
	return r.halted(err, position, event)
}

func (r *runner) halted(err error, position int64, event uuid.UUID) error {
	return &HaltedError{Projection: r.name, Version: r.Projector.Version(), Position: position, EventID: event, Err: err}
}
