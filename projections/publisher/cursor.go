package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/projections"
)

// Names of the cursors in ledger.cursors.
const (
	cursorDB    = "db" // also the journal's
	cursorIndex = "index"
	cursorRoute = "route"
	cursorCount = 3
)

// Errors that halt the publisher; they are found inside a projections.HaltedError.
var (
	// ErrNoCursors: the log has events but the cursors are gone. They can't be derived from the log, and starting at either
	// end would repeat or lose messages: restore table ledger.cursors, or insert the positions to go on from.
	ErrNoCursors = errors.New("the log has events, but the publisher's cursors are missing")
	// ErrCursorBeyondLog: a cursor stands beyond the end of the log, as after a restore. See migrate --new-epoch.
	ErrCursorBeyondLog = errors.New("a cursor of the publisher stands beyond the end of the log")
)

// cursors are the positions up to which everything is acknowledged by Kafka; route counts route events.
type cursors struct {
	db, index, route int64
	hash             [32]byte // of the event at db
}

const sqlReadCursors = `SELECT name, position FROM ledger.cursors WHERE name IN ('db', 'index', 'route')`

// loadCursors reads the cursors, and makes them at 0 while the log is empty.
func loadCursors(ctx context.Context, tx pgx.Tx, head eventstore.Head) (cursors, error) {
	c, found, err := readCursors(ctx, tx)
	switch {
	case err != nil:
		return cursors{}, err
	case found == 0 && head.Position == 0 && head.Route == 0:
		return c, createCursors(ctx, tx, head.Epoch)
	case found < cursorCount:
		return cursors{}, ErrNoCursors
	case max(c.db, c.index) > head.Position || c.route > head.Route:
		return cursors{}, ErrCursorBeyondLog
	}
	return c, nil
}

const sqlCreateCursors = `INSERT INTO ledger.cursors (name, position, epoch) SELECT name, 0, $1 FROM unnest($2::text[]) AS name`

// readCursors returns the cursors that there are, and how many.
func readCursors(ctx context.Context, db querier) (c cursors, found int, err error) {
	rows, err := db.Query(ctx, sqlReadCursors)
	if err != nil {
		return c, 0, fmt.Errorf("read cursors: %w", err)
	}
	var name string
	var position int64
	places := map[string]*int64{cursorDB: &c.db, cursorIndex: &c.index, cursorRoute: &c.route}
	if _, err := pgx.ForEachRow(rows, []any{&name, &position}, func() error {
		*places[name] = position
		found++
		return nil
	}); err != nil {
		return c, 0, fmt.Errorf("read cursors: %w", err)
	}
	return c, found, nil
}

func createCursors(ctx context.Context, tx pgx.Tx, epoch int64) error {
	if _, err := tx.Exec(ctx, sqlCreateCursors, epoch, []string{cursorDB, cursorIndex, cursorRoute}); err != nil {
		return fmt.Errorf("create cursors: %w", err)
	}
	return nil
}

// A cursor only moves forward, and only from where this owner left it.
const sqlMoveCursors = `
UPDATE ledger.cursors c SET position = m.position, epoch = $4
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS m (name, old, position)
WHERE c.name = m.name AND c.position = m.old`

// No wait for the disk: a cursor that a crash of the database takes back only makes a suffix come again.
const sqlNoSync = `SET LOCAL synchronous_commit = off`

// saveCursors moves the cursors under the lease, which it renews; the lease's checkpoint is the event at the db cursor. ErrLeaseLost: stop.
func saveCursors(ctx context.Context, pool *pgxpool.Pool, lease *projections.Lease, epoch int64, from, to cursors, began time.Time) error {
	checkpoint := projections.Checkpoint{Position: to.db, Hash: to.hash}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlNoSync); err != nil {
			return err
		}
		if err := lease.Move(ctx, tx, checkpoint); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sqlMoveCursors, []string{cursorDB, cursorIndex, cursorRoute},
			[]int64{from.db, from.index, from.route}, []int64{to.db, to.index, to.route}, epoch)
		if err == nil && tag.RowsAffected() != 3 {
			err = projections.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save cursors: %w", err)
	}
	lease.Moved(checkpoint, began)
	return nil
}
