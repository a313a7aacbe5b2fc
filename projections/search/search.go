// Package search is the projection that mirrors the documents to a search server outside of Postgres. It reads what the projection
// "documents" has written, each changed document once however often it changed, and moves its checkpoint when the server
// has said that the documents can be found.
package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/projections"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// Defaults of Config.
const (
	DefaultPageSize = 1000
	DefaultLeaseTTL = 15 * time.Second
	DefaultInterval = 100 * time.Millisecond
)

// maxBulkSize bounds the documents of one request, in bytes of their bodies; a larger one goes alone.
const maxBulkSize = 4 << 20

// Index is the server's side of the mirror. Errors: search.ErrUnavailable means "try again"; others halt the mirror.
type Index interface {
	// Ready says whether the index of every object stands.
	Ready(ctx context.Context) (bool, error)
	// Replace makes empty indices in place of whatever stands there, all in one step.
	Replace(ctx context.Context) error
	// Write stores whole documents, unless the stored ones are newer, and returns when they can be found. It must end well
	// within the lease. *search.DocumentError names the first refused, all before it are stored.
	Write(ctx context.Context, documents []search.Document) error
}

// Config is what the mirror needs. The second half may be left zero.
type Config struct {
	Pool    *pgxpool.Pool        // connections of the projector role
	Watcher *checkpoints.Watcher // running: wakes the mirror
	Index   Index
	Logger  *slog.Logger
	Metrics *projections.Metrics
	Now     func() time.Time

	Owner    string        // who holds the lease, shown to operators; default a random id
	PageSize int           // documents read at a time, give or take those of one position
	LeaseTTL time.Duration // how long a killed owner keeps its standby waiting
	Interval time.Duration // pause in which changes gather: the server makes each request's documents visible at a cost
}

func (c *Config) setDefaults() {
	if c.PageSize == 0 {
		c.PageSize = DefaultPageSize
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
}

// Run mirrors until ctx ends, as the owner of the lease or waiting for it, and then returns nil. An outage of the server is waited
// for. It returns a *projections.HaltedError when the server refuses a document, or the log isn't the one that was mirrored.
func Run(ctx context.Context, cfg Config) error {
	cfg.setDefaults()
	p := search.Mirror()
	own := projections.NewOwnConfig(projections.LeaseConfig{
		Pool: cfg.Pool, Projection: p.Name, Version: p.Version, Owner: cfg.Owner, TTL: cfg.LeaseTTL,
	}, cfg.Logger, cfg.Now, cfg.Metrics)
	cfg.Logger = own.Logger
	return projections.Own(ctx, own, (&mirror{Config: cfg, backoff: own.Backoff}).work)
}

type mirror struct {
	Config
	backoff backoff.BackOff
}

// work mirrors what there is, waits for more, and while there is none sees to it that the index still stands.
func (m *mirror) work(ctx context.Context, lease *projections.Lease) error {
	if err := m.checkLog(ctx, lease.Checkpoint()); err != nil {
		return err
	}
	if err := m.ensureIndex(ctx, lease); err != nil {
		return m.halting(err, lease.Checkpoint().Position)
	}
	m.Metrics.Applied(search.Mirror().Name, lease.Checkpoint().Position, 0)
	for {
		if err := m.catchUp(ctx, lease); err != nil {
			return err
		}
		m.backoff.Reset()
		projections.Wait(ctx, m.Interval)
		at := lease.Checkpoint().Position
		moved, err := m.Watcher.Wait(ctx, documents.Projection(), at+1, m.LeaseTTL/3)
		if err != nil {
			return err
		}
		if err := lease.Renew(ctx); err != nil {
			return err
		}
		if moved > at {
			continue
		}
		if ready, err := m.Index.Ready(ctx); err != nil || !ready {
			return errors.Join(errIndexLost, err)
		}
	}
}

var errIndexLost = fmt.Errorf("%w: an index is gone", search.ErrUnavailable)

// ensureIndex builds anew what doesn't stand. At 0 everything is sent, so what stands there can only be of another log or of an
// epoch that a restore has ended. The checkpoint goes back first: an empty index must never stand beside a later one.
func (m *mirror) ensureIndex(ctx context.Context, lease *projections.Lease) error {
	ready, err := m.Index.Ready(ctx)
	if err != nil || ready && lease.Checkpoint().Position > 0 {
		return err
	}
	m.Logger.InfoContext(ctx, "index is built from the beginning", slog.Int64("position", lease.Checkpoint().Position))
	if err := lease.SaveCheckpoint(ctx, projections.Checkpoint{}); err != nil {
		return err
	}
	return m.Index.Replace(ctx)
}

// catchUp mirrors page by page until nothing is left.
func (m *mirror) catchUp(ctx context.Context, lease *projections.Lease) error {
	for {
		page, to, err := m.read(ctx, lease.Checkpoint().Position)
		if err != nil {
			return err
		}
		if to.Position <= lease.Checkpoint().Position {
			return nil
		}
		if err := m.send(ctx, lease, page); err != nil {
			return err
		}
		if err := lease.SaveCheckpoint(ctx, to); err != nil {
			return err
		}
		m.Metrics.Applied(search.Mirror().Name, to.Position, len(page))
	}
}

// send writes a page in requests of bounded size, each under a fresh lease: another owner would do no harm, since versions are
// external, but would do the same work again.
func (m *mirror) send(ctx context.Context, lease *projections.Lease, page []search.Document) error {
	for len(page) > 0 {
		n := bulkSize(page)
		if err := lease.Renew(ctx); err != nil {
			return err
		}
		err := m.Index.Write(ctx, page[:n])
		if refused, ok := errors.AsType[*search.DocumentError](err); ok {
			return m.refuse(ctx, lease, refused)
		}
		if err != nil {
			return m.halting(err, page[0].Position)
		}
		page = page[n:]
	}
	return nil
}

// bulkSize returns how many documents the next request takes.
func bulkSize(page []search.Document) int {
	size := 0
	for i := range page {
		if size += len(page[i].Body); size > maxBulkSize && i > 0 {
			return i
		}
	}
	return len(page)
}

// refuse keeps what was written before a refused document, and halts at its event.
func (m *mirror) refuse(ctx context.Context, lease *projections.Lease, refused *search.DocumentError) error {
	if before := refused.Position - 1; before > lease.Checkpoint().Position {
		_, to, err := m.event(ctx, before)
		if err != nil {
			return err
		}
		if err := lease.SaveCheckpoint(ctx, to); err != nil {
			return err
		}
	}
	id, _, err := m.event(ctx, refused.Position)
	if err != nil {
		return err
	}
	return halted(refused, refused.Position, id)
}

// halting makes a halt of what another try can't cure.
func (m *mirror) halting(err error, position int64) error {
	if errors.Is(err, search.ErrUnavailable) || errors.Is(err, projections.ErrLeaseLost) {
		return err
	}
	return halted(err, position, uuid.Nil)
}

func halted(err error, position int64, event uuid.UUID) error {
	p := search.Mirror()
	return &projections.HaltedError{Projection: p.Name, Version: p.Version, Position: position, EventID: event, Err: err}
}
