package projections

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/projections/bulk"
)

// buildAtOnce builds a read model that has everything before it from the whole log, and takes it for the live one. Readers see
// nothing of it until then. A log with an event that can't be applied isn't built at once: followed event by event, the projection
// halts where it should.
func (r *runner) buildAtOnce(ctx context.Context, lease *Lease) error {
	if r.Model.Fold == nil || lease.Checkpoint().Position > 0 {
		return nil
	}
	head, err := r.Reader.Head(ctx)
	if err != nil || head.Position < r.BulkFrom {
		return err
	}
	unlock, err := bulk.Lock(ctx, r.Pool, bulk.SchemaOf(r.Projector))
	if err != nil {
		return err
	}
	defer unlock()
	built, err := r.build(ctx, lease)
	switch {
	case err == nil:
		return r.takeBuilt(ctx, lease, built)
	case Transient(err), errors.Is(err, ErrLeaseLost), errors.Is(err, bulk.ErrRunning):
		return err
	}
	r.Logger.WarnContext(ctx, "the read model can't be built at once, it follows the log", slog.Any("error", err))
	return nil
}

// build builds while the lease is kept.
func (r *runner) build(ctx context.Context, lease *Lease) (built bulk.Built, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began, told := r.Now(), r.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		built, err = bulk.Build(ctx, bulk.Config{
			Pool: r.Pool, Reader: r.Reader, Catalog: r.Catalog, Keys: r.Keys, Projector: r.Projector, Model: r.Model, Code: r.Code,
			Workers: r.Decoders, Failpoint: r.Failpoint,
			Progress: func(p bulk.Progress) {
				if r.Now().Sub(told) < tellEvery {
					return
				}
				told = r.Now()
				r.Logger.InfoContext(ctx, "building at once", slog.String("stage", p.Stage), slog.Int64("done", p.Done), slog.Int64("total", p.Total))
			},
		})
	}()
	renew := time.NewTicker(r.LeaseTTL / 3)
	defer renew.Stop()
	for {
		select {
		case <-done:
			if err == nil {
				r.Logger.InfoContext(ctx, "built at once", slog.Int64("events", built.Events), slog.Int64("ms", r.Now().Sub(began).Milliseconds()))
			}
			if cause := context.Cause(ctx); cause != nil {
				return built, cause
			}
			return built, err
		case <-renew.C:
			if renewErr := lease.Renew(ctx); renewErr != nil {
				cancel(renewErr)
			}
		}
	}
}

// tellEvery is how often a build says in the log how far it has come.
const tellEvery = 10 * time.Second

// takeBuilt makes the finished read model the live one and moves the checkpoint, in one transaction.
func (r *runner) takeBuilt(ctx context.Context, lease *Lease, built bulk.Built) error {
	began := r.Now()
	to := Checkpoint{Position: built.Position, Hash: built.Hash}
	err := pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := lease.Move(ctx, tx, to); err != nil {
			return err
		}
		if err := bulk.Take(ctx, tx, r.Projector); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlNotifyCheckpoint, lease.notification(to))
		return err
	})
	if err != nil {
		return err
	}
	lease.Moved(to, began)
	r.indexed = true
	return nil
}
