package selfaudit

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

// ErrStillDiffers says that the rows differ from the log also after they were written. Nothing was changed.
var ErrStillDiffers = errors.New("the rows differ from the log after they were written")

// Healing says what is to be healed.
type Healing struct {
	Pool   *pgxpool.Pool // connections of the projector role: it takes up to three at a time
	Log    Log
	Model  Model
	Stream eventstore.StreamID
	Also   []compare.Place // rows that stand there and perhaps shouldn't
	DryRun bool            // changes nothing
	// Failpoint is nil but in tests. It is called at "healed": before COMMIT.
	Failpoint func(point string)
}

// Healed is what was put right, or would be.
type Healed struct {
	Position    int64 // checkpoint of the read model: what its rows are folded to
	Differences []compare.Difference
}

const sqlHealSettings = `SELECT set_config('lock_timeout', '30s', true), set_config('statement_timeout', '60s', true)`

// Another epoch of the lease ends the work of who holds it: it can't commit any more what it had in hand, takes the lease again and
// forgets the rows that it remembered.
const sqlDismissOwner = `
UPDATE ledger.checkpoints SET lease_epoch = lease_epoch + 1, lease_owner = '', lease_until = '-infinity'
WHERE projection = $1 AND version = $2`

// Heal rewrites those rows of a stream that differ from the log, in one transaction, as of the read model's checkpoint. The projector
// may run meanwhile, or stand still. Nothing is published. checkpoints.ErrNotBuilt: there is nothing to heal yet.
func Heal(ctx context.Context, h Healing) (Healed, error) {
	var healed Healed
	err := pgx.BeginFunc(ctx, h.Pool, func(tx pgx.Tx) (err error) {
		if healed, err = h.heal(ctx, tx); err != nil {
			return err
		}
		if h.DryRun {
			return errDryRun
		}
		if h.Failpoint != nil {
			h.Failpoint("healed")
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return Healed{}, fmt.Errorf("heal %s of %s: %w", h.Stream, h.Model.Projection.Name, checkpoints.NotBuilt(err))
	}
	return healed, nil
}

// errDryRun rolls a dry run back.
var errDryRun = errors.New("dry run")

func (h Healing) heal(ctx context.Context, tx pgx.Tx) (Healed, error) {
	p := h.Model.Projection
	if _, err := tx.Exec(ctx, sqlHealSettings); err != nil {
		return Healed{}, err
	}
	if err := h.Model.lock(ctx, tx); err != nil {
		return Healed{}, err
	}
	if err := EnsureSchema(ctx, tx); err != nil {
		return Healed{}, err
	}
	also, err := placesOf(ctx, tx, p.Name, h.Stream)
	if err != nil {
		return Healed{}, err
	}
	also = append(also, h.Also...)
	streams := []eventstore.StreamID{h.Stream}
	differences, at, err := h.Model.differences(ctx, tx, h.Log, streams, also)
	if err != nil || h.DryRun {
		return Healed{at, differences}, err
	}
	if len(differences) > 0 {
		places, _ := placesIn(differences)
		if err := h.Model.replace(ctx, tx, h.Log, streams, at, places); err != nil {
			return Healed{}, err
		}
		if _, err := tx.Exec(ctx, sqlDismissOwner, p.Name, p.Version); err != nil {
			return Healed{}, err
		}
		left, _, err := h.Model.differences(ctx, tx, h.Log, streams, also)
		if err != nil {
			return Healed{}, err
		}
		if len(left) > 0 {
			return Healed{}, fmt.Errorf("%s: %w", left[0].Key(), ErrStillDiffers)
		}
		also = append(also, places...)
	}
	for _, place := range also {
		if err := clearDrift(ctx, tx, p.Name, place); err != nil {
			return Healed{}, err
		}
	}
	return Healed{at, differences}, nil
}
