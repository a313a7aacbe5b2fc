package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// searchProjection is always built anew in a new epoch: its documents carry versions of the old one.
const searchProjection = "search"

// EpochChange tells what NewEpoch did.
type EpochChange struct {
	Epoch   int64    // the new one
	Emptied []string // projections that start again from 0, as name/version
	Lowered []string // cursors of the publisher that stood beyond the end of the log
}

// NewEpoch follows a restore of the log, with every process stopped. It counts the epoch up, sends those projections back to 0 whose
// checkpoint names an event that the log doesn't have, lowers the publisher's cursors to the head, and lets the rest go on.
func NewEpoch(ctx context.Context, ownerURL string) (change EpochChange, err error) {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return EpochChange{}, fmt.Errorf("new epoch: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		change, err = newEpoch(ctx, tx)
		return err
	})
	if err != nil {
		return EpochChange{}, fmt.Errorf("new epoch: %w", err)
	}
	return change, nil
}

const sqlNewEpoch = `UPDATE ledger.head SET epoch = epoch + 1 RETURNING epoch`

// A checkpoint at 0 is of every log. The lease's epoch goes up, so that a projector that was not stopped can't commit.
const sqlEmptyProjections = `
UPDATE ledger.checkpoints c
SET position = 0, hash = decode(repeat('00', 32), 'hex'), lease_epoch = c.lease_epoch + 1, lease_owner = '', lease_until = '-infinity',
    state = 'running', halted_position = NULL, halted_event = NULL, problem = '', updated_at = now()
WHERE c.projection = $1
   OR c.position > 0 AND NOT EXISTS (SELECT FROM ledger.events e WHERE e.position = c.position AND e.hash = c.hash)
RETURNING c.projection || '/' || c.version`

// old is read in the statement's snapshot, so it is what the cursors were, in whatever order the rows are taken.
const sqlLowerCursors = `
WITH lowered AS (
    UPDATE ledger.cursors c
    SET position = least(c.position, CASE c.name WHEN 'route' THEN h.route ELSE h.position END), epoch = h.epoch
    FROM ledger.head h, (SELECT name, position FROM ledger.cursors) AS old
    WHERE old.name = c.name
    RETURNING c.name, c.position < old.position AS fell
)
SELECT name FROM lowered WHERE fell ORDER BY name`

func newEpoch(ctx context.Context, tx pgx.Tx) (EpochChange, error) {
	var change EpochChange
	if err := tx.QueryRow(ctx, sqlNewEpoch).Scan(&change.Epoch); err != nil {
		return EpochChange{}, fmt.Errorf("count up: %w", err)
	}
	rows, err := tx.Query(ctx, sqlEmptyProjections, searchProjection)
	if err != nil {
		return EpochChange{}, fmt.Errorf("empty projections: %w", err)
	}
	if change.Emptied, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return EpochChange{}, fmt.Errorf("empty projections: %w", err)
	}
	if rows, err = tx.Query(ctx, sqlLowerCursors); err != nil {
		return EpochChange{}, fmt.Errorf("lower cursors: %w", err)
	}
	if change.Lowered, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return EpochChange{}, fmt.Errorf("lower cursors: %w", err)
	}
	return change, nil
}
