package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/readmodels/checkpoints"
)

// Errors of leases. Callers compare with errors.Is.
var (
	// ErrLeaseHeld: another owner runs this projection. Wait as its standby.
	ErrLeaseHeld = errors.New("another owner holds the lease")
	// ErrLeaseLost: another owner took the lease over, or the checkpoint was moved by somebody else. What this owner
	// knows about its read model is worthless; nothing of the refused transaction was stored.
	ErrLeaseLost = errors.New("the lease was lost")
)

// Checkpoint is how far a projection has come: the last event applied, and its hash. Zero is before the first event.
type Checkpoint struct {
	Position int64
	Hash     [32]byte
}

// LeaseConfig says what is leased by whom.
type LeaseConfig struct {
	Pool       *pgxpool.Pool // connections of the projector role
	Projection string
	Version    int
	Owner      string        // distinct for every runner of every process
	TTL        time.Duration // how long a dead owner keeps others waiting
}

// Lease is the right to move one projection's checkpoint. Its epoch grows with every take-over and is part of every
// compare-and-set, so an owner that was paused for too long can't commit. It belongs to one goroutine.
type Lease struct {
	cfg        LeaseConfig
	epoch      int64
	checkpoint Checkpoint
	halted     bool
	renewedAt  time.Time // by our clock before the database was asked: never later than the true one
	now        func() time.Time
}

const sqlEnsureCheckpoint = `
INSERT INTO ledger.checkpoints (projection, version) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// The database's clock alone decides whether a lease has run out: clocks of processes don't matter.
const sqlAcquireLease = `
UPDATE ledger.checkpoints
SET lease_owner = $3, lease_until = clock_timestamp() + $4::interval, lease_epoch = lease_epoch + 1
WHERE projection = $1 AND version = $2 AND (lease_owner IN ('', $3) OR lease_until < clock_timestamp())
RETURNING position, hash, lease_epoch, state = 'halted'`

// AcquireLease takes a lease that is free or has run out, or returns ErrLeaseHeld. now is the process's clock.
func AcquireLease(ctx context.Context, cfg LeaseConfig, now func() time.Time) (*Lease, error) {
	l := &Lease{cfg: cfg, now: now, renewedAt: now()}
	var hash []byte
	err := pgx.BeginTxFunc(ctx, cfg.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlEnsureCheckpoint, cfg.Projection, cfg.Version); err != nil {
			return err
		}
		return tx.QueryRow(ctx, sqlAcquireLease, cfg.Projection, cfg.Version, cfg.Owner, cfg.TTL).
			Scan(&l.checkpoint.Position, &hash, &l.epoch, &l.halted)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ErrLeaseHeld
	case err != nil:
		return nil, fmt.Errorf("take the lease of %s: %w", cfg.Projection, err)
	}
	l.checkpoint.Hash = [32]byte(hash)
	return l, nil
}

const sqlTakeLease = `
UPDATE ledger.checkpoints SET lease_owner = $3, lease_until = clock_timestamp() + $4::interval, lease_epoch = lease_epoch + 1
WHERE projection = $1 AND version = $2
RETURNING position, hash, lease_epoch, state = 'halted'`

// TakeLease takes a lease whoever holds it: that owner moves the checkpoint no more, and stands by. ErrLeaseLost: there is no such checkpoint.
func TakeLease(ctx context.Context, cfg LeaseConfig, now func() time.Time) (*Lease, error) {
	l := &Lease{cfg: cfg, now: now, renewedAt: now()}
	var hash []byte
	err := cfg.Pool.QueryRow(ctx, sqlTakeLease, cfg.Projection, cfg.Version, cfg.Owner, cfg.TTL).Scan(&l.checkpoint.Position, &hash, &l.epoch, &l.halted)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ErrLeaseLost
	case err != nil:
		return nil, fmt.Errorf("take the lease of %s: %w", cfg.Projection, err)
	}
	l.checkpoint.Hash = [32]byte(hash)
	return l, nil
}

// Checkpoint returns the last checkpoint that is known to be stored.
func (l *Lease) Checkpoint() Checkpoint { return l.checkpoint }

// Epoch returns the fencing number of this lease.
func (l *Lease) Epoch() int64 { return l.epoch }

// Due reports whether a third of the lease's time has gone since it was last renewed.
func (l *Lease) Due() bool { return l.now().Sub(l.renewedAt) >= l.cfg.TTL/3 }

// Moving the checkpoint is the fence: it fails unless everything is as this owner left it, and it locks the row until the
// transaction ends, so nobody takes over in between. It also ends an earlier halt and renews the lease.
const sqlMoveCheckpoint = `
UPDATE ledger.checkpoints
SET position = $3, hash = $4, lease_until = clock_timestamp() + $8::interval, updated_at = clock_timestamp(),
    state = 'running', halted_position = NULL, halted_event = NULL, problem = ''
WHERE projection = $1 AND version = $2 AND position = $5 AND hash = $6 AND lease_epoch = $7`

// Executor is what a statement can be run on: a transaction, a connection or a pool.
type Executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Move moves the checkpoint inside a transaction, by compare-and-set; it is the transaction's first statement.
// The lease believes in the new checkpoint only when Moved says that the transaction was committed. ErrLeaseLost: roll back.
func (l *Lease) Move(ctx context.Context, db Executor, to Checkpoint) error {
	tag, err := db.Exec(ctx, sqlMoveCheckpoint, l.cfg.Projection, l.cfg.Version, to.Position, to.Hash[:],
		l.checkpoint.Position, l.checkpoint.Hash[:], l.epoch, l.cfg.TTL)
	if err != nil {
		return fmt.Errorf("move the checkpoint of %s: %w", l.cfg.Projection, err)
	}
	if tag.RowsAffected() != 1 {
		return ErrLeaseLost
	}
	return nil
}

// Moved says that the transaction in which Move succeeded has committed. began is when that transaction was begun.
func (l *Lease) Moved(to Checkpoint, began time.Time) {
	l.checkpoint, l.halted, l.renewedAt = to, false, began
}

const sqlNotifyCheckpoint = `SELECT pg_notify('` + checkpoints.Channel + `', $1)`

func (l *Lease) notification(to Checkpoint) string {
	return checkpoints.Notification(checkpoints.Projection{Name: l.cfg.Projection, Version: l.cfg.Version}, to.Position)
}

// SaveCheckpoint stores a checkpoint for projections whose read model isn't in this database, after that read model has
// acknowledged everything up to it; a crash in between repeats the events after the old one. ErrLeaseLost: stop.
func (l *Lease) SaveCheckpoint(ctx context.Context, to Checkpoint) error {
	began := l.now()
	err := pgx.BeginTxFunc(ctx, l.cfg.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := l.Move(ctx, tx, to); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlNotifyCheckpoint, l.notification(to))
		return err
	})
	if err != nil {
		return err
	}
	l.Moved(to, began)
	return nil
}

const sqlRenewLease = `
UPDATE ledger.checkpoints SET lease_until = clock_timestamp() + $4::interval
WHERE projection = $1 AND version = $2 AND lease_epoch = $3`

// Renew keeps an idle lease. ErrLeaseLost: another owner has it.
func (l *Lease) Renew(ctx context.Context) error { return l.RenewIn(ctx, l.cfg.Pool) }

// RenewIn renews as part of a transaction, as a fence for what else that transaction writes: the lease can't be taken over before it ends.
func (l *Lease) RenewIn(ctx context.Context, db Executor) error {
	began := l.now()
	tag, err := db.Exec(ctx, sqlRenewLease, l.cfg.Projection, l.cfg.Version, l.epoch, l.cfg.TTL)
	if err != nil {
		return fmt.Errorf("renew the lease of %s: %w", l.cfg.Projection, err)
	}
	if tag.RowsAffected() != 1 {
		return ErrLeaseLost
	}
	l.renewedAt = began
	return nil
}

const sqlReleaseLease = `
UPDATE ledger.checkpoints SET lease_owner = '', lease_until = '-infinity'
WHERE projection = $1 AND version = $2 AND lease_epoch = $3`

// Release lets the next owner in at once. A lost lease is not an error.
func (l *Lease) Release(ctx context.Context) error {
	if _, err := l.cfg.Pool.Exec(ctx, sqlReleaseLease, l.cfg.Projection, l.cfg.Version, l.epoch); err != nil {
		return fmt.Errorf("release the lease of %s: %w", l.cfg.Projection, err)
	}
	return nil
}

const sqlHalt = `
UPDATE ledger.checkpoints
SET state = 'halted', halted_position = $4, halted_event = $5, problem = $6, updated_at = clock_timestamp()
WHERE projection = $1 AND version = $2 AND lease_epoch = $3`

// maxProblem bounds the stored text of a problem, in bytes.
const maxProblem = 2000

// Halt stores why the projection stands still, for operators and doctor. ErrLeaseLost: another owner has it now.
func (l *Lease) Halt(ctx context.Context, h *HaltedError) error {
	var event *uuid.UUID
	if h.EventID != uuid.Nil {
		event = &h.EventID
	}
	tag, err := l.cfg.Pool.Exec(ctx, sqlHalt, l.cfg.Projection, l.cfg.Version, l.epoch, h.Position, event, storable(h.Err.Error()))
	if err != nil {
		return fmt.Errorf("store that %s halted: %w", l.cfg.Projection, err)
	}
	if tag.RowsAffected() != 1 {
		return ErrLeaseLost
	}
	l.halted = true
	return nil
}
