package projections

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
)

// endTimeout bounds each of an owner's last statements, which it runs also when it was told to stop.
const endTimeout = 2 * time.Second

// OwnConfig is what Own needs.
type OwnConfig struct {
	Lease   LeaseConfig
	Logger  *slog.Logger
	Now     func() time.Time
	Backoff backoff.BackOff         // pauses after passing troubles; work resets it when it gets on
	Halted  func(projection string) // called when a halt is stored
	Retried func(projection string) // called after a passing trouble
	// Drains says that work finishes what it has in hand after its context has ended: a halt that it meets then counts.
	// Without it the halt is taken for a consequence of the end.
	Drains bool
}

// NewOwnConfig makes the frame that owners of leases share: an owner of no name gets a random one, the logger names the projection, pauses
// grow from 50 ms to 5 s, metrics count. The caller keeps Logger and Backoff for its work.
func NewOwnConfig(lease LeaseConfig, logger *slog.Logger, now func() time.Time, metrics *Metrics) OwnConfig {
	lease.Owner = cmp.Or(lease.Owner, uuid.NewString())
	return OwnConfig{
		Lease: lease, Logger: logger.With(slog.String("projection", lease.Projection)), Now: now,
		Backoff: &backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond, MaxInterval: 5 * time.Second, Multiplier: 2, RandomizationFactor: 0.5},
		Halted:  metrics.Halted, Retried: metrics.Retried,
	}
}

// Own calls work as the owner of a lease, again and again, until ctx ends; then it returns nil. While another owner holds the
// lease it stands by. After passing troubles it pauses. When work returns a *HaltedError, the halt is stored for operators
// and returned. So is why the lease can't be taken, unless that may pass: the role has no right to it, or there is no log.
func Own(ctx context.Context, cfg OwnConfig, work func(context.Context, *Lease) error) error {
	for ctx.Err() == nil {
		lease, err := AcquireLease(ctx, cfg.Lease, cfg.Now)
		switch {
		case err == nil:
			err = ownOnce(ctx, cfg, lease, work)
		case !errors.Is(err, ErrLeaseHeld) && !Transient(err):
			cfg.Logger.ErrorContext(ctx, "projection ends", slog.Any("error", err))
			return err
		}
		halted, ok := errors.AsType[*HaltedError](err)
		switch {
		case ok:
			return halted
		case ctx.Err() != nil:
		case errors.Is(err, ErrLeaseHeld):
			Wait(ctx, cfg.Lease.TTL/6)
		case errors.Is(err, ErrLeaseLost):
			cfg.Logger.WarnContext(ctx, "projection lost its lease")
		default:
			cfg.Retried(cfg.Lease.Projection)
			cfg.Logger.WarnContext(ctx, "projection is interrupted, trying again", slog.Any("error", err))
			Wait(ctx, cfg.Backoff.NextBackOff())
		}
	}
	return nil
}

// ownOnce works under the lease until something goes wrong or ctx ends, and gives it back. It returns a *HaltedError
// only when the halt is stored.
func ownOnce(ctx context.Context, cfg OwnConfig, lease *Lease, work func(context.Context, *Lease) error) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		if err := lease.Release(ctx); err != nil {
			cfg.Logger.WarnContext(ctx, "the lease stays until it runs out", slog.Any("error", err))
		}
	}()
	cfg.Logger.InfoContext(ctx, "projection runs here", slog.Int64("lease_epoch", lease.Epoch()), slog.Int64("position", lease.Checkpoint().Position))
	err := work(ctx, lease)
	if ctx.Err() != nil && !cfg.Drains {
		return ctx.Err()
	}
	halted, ok := errors.AsType[*HaltedError](err)
	if !ok {
		return err
	}
	halting, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := lease.Halt(halting, halted); err != nil {
		return err // not halted visibly is not halted: come back and try again
	}
	cfg.Halted(cfg.Lease.Projection)
	cfg.Logger.ErrorContext(ctx, "projection halted", slog.Int64("position", halted.Position),
		slog.String("event_id", halted.EventID.String()), slog.Any("error", halted.Err))
	return halted
}

// Wait returns after d, or when ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
