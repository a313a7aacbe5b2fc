package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// lastEpoch is the greatest that there is room for in the versions of documents in Elasticsearch: 19 bits, beside the 44 of a position.
const lastEpoch = 1<<19 - 1

// epochsBegan is when the hours began that epochs are numbered by.
var epochsBegan = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// LeastEpoch returns the least epoch that may begin at a time, given the greatest that is known to have been given out: a restored log has
// forgotten those that began after its backup. Most are known by the hour: no epoch of an earlier one is greater than the hours since 2026 began,
// as long as fewer epochs begin than hours pass.
func LeastEpoch(at time.Time, known int64) int64 {
	return max(known+1, int64(at.Sub(epochsBegan)/time.Hour))
}

// NewEpoch follows a restore of the log, with every process stopped. The epoch becomes least, or one more than it was if that is greater. It sends
// those projections back to 0 whose checkpoint names an event that the log doesn't have, lowers the publisher's cursors to the head, and lets the
// rest go on.
func NewEpoch(ctx context.Context, ownerURL string, least int64) (change EpochChange, err error) {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return EpochChange{}, fmt.Errorf("new epoch: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		change, err = newEpoch(ctx, tx, least)
		return err
	})
	if err != nil {
		return EpochChange{}, fmt.Errorf("new epoch: %w", err)
	}
	return change, nil
}

const sqlNewEpoch = `UPDATE ledger.head SET epoch = greatest(epoch + 1, $1) RETURNING epoch`

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

func newEpoch(ctx context.Context, tx pgx.Tx, least int64) (EpochChange, error) {
	var change EpochChange
	if err := tx.QueryRow(ctx, sqlNewEpoch, least).Scan(&change.Epoch); err != nil {
		return EpochChange{}, fmt.Errorf("count up: %w", err)
	}
	if change.Epoch > lastEpoch {
		return EpochChange{}, fmt.Errorf("epoch %d: the last that there is room for is %d", change.Epoch, int64(lastEpoch))
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
