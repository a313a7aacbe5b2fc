package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/readmodels/checkpoints"
)

// shadow is a read model beside the live one, which the projector's own code takes further.
type shadow struct {
	*rebuild
	schema string
	at     projections.Checkpoint
}

const (
	sqlLiveCheckpoint = `SELECT position, hash FROM ledger.checkpoints
WHERE projection = $1 AND version = $2 AND position > 0 AND to_regnamespace($3) IS NOT NULL`
	// Statements name the schema of the shadow shadow. It moves by compare-and-set, as a live checkpoint does.
	sqlMoveShadow = `UPDATE shadow.rebuild SET position = $3, hash = $4 WHERE position = $1 AND hash = $2 AND stage IN ('built', 'old')`
)

// checkpoint is that of the live read model.
func (r *rebuild) checkpoint(ctx context.Context, db checkpoints.Querier) (projections.Checkpoint, error) {
	var at projections.Checkpoint
	var hash []byte
	err := db.QueryRow(ctx, sqlLiveCheckpoint, r.projector.Name(), r.projector.Version(), r.live).Scan(&at.Position, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return at, ErrNotBuilt
	}
	if err != nil {
		return at, err
	}
	at.Hash = [32]byte(hash)
	return at, nil
}

// defaultBatchEvents is how many events are applied in one transaction.
const defaultBatchEvents = 4096

// catchUp takes the shadow exactly to a position.
func (s *shadow) catchUp(ctx context.Context, upTo int64) error {
	from := s.at.Position
	for s.at.Position < upTo {
		if err := s.step(ctx, int(min(s.BatchEvents, upTo-s.at.Position))); err != nil {
			return fmt.Errorf("catch up after %d: %w", s.at.Position, err)
		}
		s.Progress(bulk.Progress{Stage: StageCatchUp, Done: s.at.Position - from, Total: upTo - from})
	}
	return nil
}

func (s *shadow) step(ctx context.Context, limit int) error {
	recorded, err := s.Reader.ReadAll(ctx, s.at.Position, limit)
	if err != nil {
		return err
	}
	if len(recorded) == 0 {
		return projections.ErrOtherLog
	}
	events := make([]catalog.Event, 0, len(recorded))
	for i := range recorded {
		if s.handled[recorded[i].Type] {
			ev, err := s.Catalog.Decode(ctx, s.Keys, &recorded[i])
			if err != nil {
				return err
			}
			events = append(events, ev)
		}
	}
	last := recorded[len(recorded)-1]
	to := projections.Checkpoint{Position: last.Position, Hash: last.Hash}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlMoveShadow, s.at.Position, s.at.Hash[:], to.Position, to.Hash[:])
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errMoved
		}
		if len(events) > 0 {
			if err := s.projector.Apply(ctx, bulk.InSchema(tx, s.live, s.schema), events); err != nil {
				return err
			}
		}
		s.Failpoint("applied")
		return nil
	})
	if err != nil {
		s.projector.Reset()
		return err
	}
	s.at = to
	return nil
}

// idleTimeout is how long a transaction of a rebuild may stand still.
const idleTimeout = "10s"

// inTx runs fn in a transaction in which rows are looked up by their keys and statements may name the schema shadow.
func (s *shadow) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := projections.SetForApply(ctx, tx, idleTimeout); err != nil {
			return err
		}
		return fn(bulk.InSchema(tx, "shadow.", s.schema+"."))
	})
}

// drop drops a schema beside the live one.
func (r *rebuild) drop(ctx context.Context, schema string) error {
	_, err := r.Pool.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE")
	return err
}

// lockTimeout reports whether somebody held a lock for longer than the statement waited.
func lockTimeout(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "55P03"
}
