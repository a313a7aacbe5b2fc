// Package proofs is the projection that grows the Merkle tree over the log and signs checkpoints of it. It reads events as they are stored,
// whatever their type, and halts at one that isn't what was hashed: a damaged log is never signed.
package proofs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/projections"
	"payledger/proof"
	"payledger/readmodels/proofs"
)

// Defaults of Config.
const (
	DefaultSignEvery = 10 * time.Second
	DefaultInterval  = time.Second
	DefaultLeaseTTL  = 3 * time.Second
	DefaultPageSize  = 4096
)

// Errors that halt the projection. They are found inside a projections.HaltedError.
var (
	// ErrNotHashed: an event of the log isn't what was hashed. See audit verify.
	ErrNotHashed = errors.New("the event is not what was hashed")
	// ErrOtherHistory: the log is not the one that was signed before, and no new epoch says that it was restored. Nothing is signed: two
	// histories under one key would make both worthless.
	ErrOtherHistory = errors.New("the log is not the one that was signed before")
)

// Config is what the projection needs. The second half may be left zero.
type Config struct {
	Pool    *pgxpool.Pool // connections of the projector role
	Reader  *eventstore.Reader
	Waker   *eventstore.Waker
	Signers proof.Signers
	File    string // checkpoints are appended to it; empty: none
	Logger  *slog.Logger
	Metrics *projections.Metrics
	Now     func() time.Time

	Owner     string        // who holds the lease, shown to operators; default a random id
	SignEvery time.Duration // least time between two checkpoints
	Interval  time.Duration // least time between two reads that aren't full: nobody waits for the tree
	LeaseTTL  time.Duration // how long a killed owner keeps its standby waiting
	PageSize  int           // events read at a time
}

func (c *Config) setDefaults() {
	if c.SignEvery == 0 {
		c.SignEvery = DefaultSignEvery
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.PageSize == 0 {
		c.PageSize = DefaultPageSize
	}
}

// Run grows the tree and signs until ctx ends, as the owner of the lease or waiting for it, and then returns nil. It returns a
// *projections.HaltedError for a log that must not be signed.
func Run(ctx context.Context, cfg Config) error {
	cfg.setDefaults()
	p := proofs.Projection()
	own := projections.NewOwnConfig(projections.LeaseConfig{
		Pool: cfg.Pool, Projection: p.Name, Version: p.Version, Owner: cfg.Owner, TTL: cfg.LeaseTTL,
	}, cfg.Logger, cfg.Now, cfg.Metrics)
	cfg.Logger = own.Logger
	return projections.Own(ctx, own, (&builder{Config: cfg, backoff: own.Backoff}).work)
}

type builder struct {
	Config
	backoff backoff.BackOff
	encoded []byte // of one event, used again and again

	// Of one ownership:
	epoch  int64 // of the log; a new one begins only while everything is stopped
	tree   *proof.Tree
	hash   [32]byte          // of the last event in the tree
	signed *proof.Checkpoint // the last one; nil before the first
	known  bool              // whether the log was compared with it
	signAt time.Time         // no earlier
}

// work grows the tree to the end of the log, signs what has grown, and waits for more.
func (b *builder) work(ctx context.Context, lease *projections.Lease) error {
	if err := b.start(ctx, lease); err != nil {
		return halting(err, lease.Checkpoint().Position, uuid.Nil)
	}
	b.Metrics.Applied(proofs.ProjectionName, b.tree.Size(), 0)
	for {
		grown, began := b.Waker.Next(), b.Now()
		if err := b.grow(ctx, lease); err != nil {
			return err
		}
		b.backoff.Reset()
		if err := b.sign(ctx, lease); err != nil {
			return halting(err, b.tree.Size(), uuid.Nil)
		}
		if err := b.wait(ctx, lease, grown, began); err != nil {
			return err
		}
		if lease.Due() {
			if err := lease.Renew(ctx); err != nil {
				return err
			}
		}
	}
}

// start makes the tables, loads the tree as the checkpoint has it, and learns what was signed last.
func (b *builder) start(ctx context.Context, lease *projections.Lease) error {
	head, err := b.Reader.Head(ctx)
	if err != nil {
		return err
	}
	if err := b.ensureSchema(ctx, lease); err != nil {
		return err
	}
	at := lease.Checkpoint()
	b.epoch, b.hash, b.signed, b.known, b.signAt = head.Epoch, at.Hash, nil, false, time.Time{}
	if at.Position > 0 {
		events, err := b.Reader.ReadAll(ctx, at.Position-1, 1)
		if err != nil {
			return err
		}
		if len(events) == 0 || events[0].Hash != at.Hash {
			return projections.ErrOtherLog
		}
	}
	if b.tree, err = proof.LoadTree(at.Position, proofs.Tiles(ctx, b.Pool)); err != nil {
		return err
	}
	return b.lastSigned(ctx)
}

// ensureSchema makes the tables. A tree at 0, as after a restore, is written over what stands there.
func (b *builder) ensureSchema(ctx context.Context, lease *projections.Lease) error {
	began, dropped := b.Now(), false
	err := pgx.BeginFunc(ctx, b.Pool, func(tx pgx.Tx) error {
		if err := lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		created, err := proofs.EnsureSchema(ctx, tx)
		if err != nil || !created || lease.Checkpoint().Position == 0 {
			return err
		}
		dropped = true // by somebody
		return lease.Move(ctx, tx, projections.Checkpoint{})
	})
	if err == nil && dropped {
		lease.Moved(projections.Checkpoint{}, began)
	}
	return err
}

// grow adds what the log has grown by.
func (b *builder) grow(ctx context.Context, lease *projections.Lease) error {
	for {
		events, err := b.Reader.ReadAll(ctx, b.tree.Size(), b.PageSize)
		if err != nil {
			return halting(err, b.tree.Size()+1, uuid.Nil)
		}
		if len(events) == 0 {
			return nil
		}
		if err := b.add(ctx, lease, events); err != nil {
			return err
		}
		b.Metrics.Applied(proofs.ProjectionName, b.tree.Size(), len(events))
		if len(events) < b.PageSize {
			return nil
		}
	}
}

// add adds events up to the first that isn't what was hashed, and halts there.
func (b *builder) add(ctx context.Context, lease *projections.Lease, events []eventstore.Recorded) error {
	var fault error
	for i := range events {
		e := &events[i]
		b.encoded = eventstore.AppendHashed(b.encoded[:0], b.hash, e)
		if sha256.Sum256(b.encoded) != e.Hash {
			fault = halted(ErrNotHashed, e.Position, e.ID)
			break
		}
		b.tree.Append(proof.Leaf(b.encoded))
		b.hash = e.Hash
	}
	if b.tree.Size() == lease.Checkpoint().Position {
		return fault
	}
	if err := b.store(ctx, lease); err != nil {
		return halting(err, b.tree.Size(), uuid.Nil)
	}
	return fault
}

// A crash of the server that takes the last batches back takes tree and checkpoint back together.
const sqlNoSync = `SET LOCAL synchronous_commit = off`

// store writes the tiles that have changed and the checkpoint in one transaction.
func (b *builder) store(ctx context.Context, lease *projections.Lease) error {
	began, to := b.Now(), projections.Checkpoint{Position: b.tree.Size(), Hash: b.hash}
	err := pgx.BeginFunc(ctx, b.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlNoSync); err != nil {
			return err
		}
		if err := lease.Move(ctx, tx, to); err != nil {
			return err
		}
		return proofs.WriteTiles(ctx, tx, b.tree.Take())
	})
	if err != nil {
		return err
	}
	lease.Moved(to, began)
	return nil
}

// wait returns when the log has grown, or when it is time to sign what it had grown by; it keeps the lease meanwhile.
func (b *builder) wait(ctx context.Context, lease *projections.Lease, grown <-chan struct{}, began time.Time) error {
	renew := time.NewTicker(b.LeaseTTL / 3)
	defer renew.Stop()
	var due <-chan time.Time
	if b.unsigned() {
		timer := time.NewTimer(b.signAt.Sub(b.Now()))
		defer timer.Stop()
		due = timer.C
	}
	for {
		select {
		case <-grown:
			projections.Wait(ctx, b.Interval-b.Now().Sub(began))
			return ctx.Err()
		case <-due:
			return nil
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

// halting makes a halt of what another try can't cure.
func halting(err error, position int64, event uuid.UUID) error {
	if err == nil || projections.Transient(err) || errors.Is(err, projections.ErrLeaseLost) || errors.Is(err, errFile) {
		return err
	}
	return halted(err, position, event)
}

func halted(err error, position int64, event uuid.UUID) error {
	p := proofs.Projection()
	return &projections.HaltedError{Projection: p.Name, Version: p.Version, Position: position, EventID: event, Err: fmt.Errorf("proofs: %w", err)}
}
