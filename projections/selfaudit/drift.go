package selfaudit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

// sqlCreateSchema: how far the walk has come, and what was found. The owner of the lease writes here, and heal.
const sqlCreateSchema = `
CREATE SCHEMA selfaudit_v1;
GRANT USAGE ON SCHEMA selfaudit_v1 TO payledger_app;

CREATE TABLE selfaudit_v1.cursor (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    stage  text   NOT NULL, -- streams, or the read model whose rows are walked
    tenant text   NOT NULL, -- the last place looked at, all empty at the beginning of a stage
    object text   NOT NULL,
    id     text   NOT NULL, -- of streams the name
    began  bigint NOT NULL  -- position up to which everything is looked at in this round
);

CREATE TABLE selfaudit_v1.drift (
    projection text NOT NULL,
    tenant     text NOT NULL,
    object     text NOT NULL,
    id         text NOT NULL,
    stream     text NOT NULL,
    what       text NOT NULL, -- missing, extra, stale or changed, and the columns; never what stands in them
    position   bigint NOT NULL, -- checkpoint of the read model when it was last seen
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT drift_pkey PRIMARY KEY (projection, tenant, object, id)
);

GRANT SELECT ON ALL TABLES IN SCHEMA selfaudit_v1 TO payledger_app;`

// Two may want to create it at the same time: the second waits for the first, and finds it there.
const (
	sqlSchemaLock   = `SELECT pg_advisory_xact_lock(hashtextextended('selfaudit_v1', 0))`
	sqlSchemaExists = `SELECT to_regclass('selfaudit_v1.drift') IS NOT NULL`
)

// EnsureSchema creates the tables if they are absent. It runs as the projector, who owns them.
func EnsureSchema(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlSchemaLock); err != nil {
		return fmt.Errorf("lock schema selfaudit_v1: %w", err)
	}
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists).Scan(&exists); err != nil || exists {
		return err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return fmt.Errorf("create schema selfaudit_v1: %w", err)
	}
	return nil
}

// Drift is a place of a read model where something else stands than the log says.
type Drift struct {
	Projection string
	compare.Place
	Stream    string
	What      string // without texts of persons
	Position  int64  // checkpoint of the read model when it was last seen
	FirstSeen time.Time
	LastSeen  time.Time
}

const sqlDrift = `
SELECT projection, tenant, object, id, stream, what, position, first_seen, last_seen FROM selfaudit_v1.drift
ORDER BY first_seen, projection, tenant, object, id LIMIT $1`

// List returns the oldest drift that is known, at most limit of it. checkpoints.ErrNotBuilt: the self-audit never ran.
func List(ctx context.Context, db Querier, limit int) ([]Drift, error) {
	found, err := db.Query(ctx, sqlDrift, limit)
	if err != nil {
		return nil, fmt.Errorf("read drift: %w", checkpoints.NotBuilt(err))
	}
	list, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (Drift, error) {
		var d Drift
		err := row.Scan(&d.Projection, &d.Tenant, &d.Object, &d.ID, &d.Stream, &d.What, &d.Position, &d.FirstSeen, &d.LastSeen)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("read drift: %w", checkpoints.NotBuilt(err))
	}
	return list, nil
}

// A row that seems to be of another stream differs in that column, and was found so by its own stream: "extra" says less.
const sqlNote = `
INSERT INTO selfaudit_v1.drift AS d (projection, tenant, object, id, stream, what, position) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (projection, tenant, object, id) DO UPDATE SET last_seen = now(),
    position = CASE excluded.position WHEN 0 THEN d.position ELSE excluded.position END,
    what = CASE WHEN excluded.what = 'extra' THEN d.what ELSE excluded.what END,
    stream = CASE WHEN excluded.what = 'extra' THEN d.stream ELSE excluded.stream END
RETURNING first_seen = last_seen`

// whatItWas is said of a place that is known to differ and can't be looked at now.
const whatItWas = "extra"

// note stores a difference, and says whether it is news.
func note(ctx context.Context, tx pgx.Tx, projection string, d compare.Difference, at int64) (isNew bool, err error) {
	err = tx.QueryRow(ctx, sqlNote, projection, d.Tenant, d.Object, d.ID, d.Stream.Name, d.What, at).Scan(&isNew)
	if err != nil {
		return false, fmt.Errorf("store drift: %w", err)
	}
	return isNew, nil
}

const sqlClear = `DELETE FROM selfaudit_v1.drift WHERE projection = $1 AND tenant = $2 AND object = $3 AND id = $4`

func clearDrift(ctx context.Context, tx pgx.Tx, projection string, place compare.Place) error {
	if _, err := tx.Exec(ctx, sqlClear, projection, place.Tenant, place.Object, place.ID); err != nil {
		return fmt.Errorf("clear drift: %w", err)
	}
	return nil
}

const sqlUncompared = `DELETE FROM selfaudit_v1.drift WHERE projection <> ALL ($1::text[])`

// forgetUncompared drops drift in what is compared no more, since it was taken out of the configuration: nobody could ever clear it.
func (a *auditor) forgetUncompared(ctx context.Context, tx pgx.Tx) error {
	gone, err := tx.Exec(ctx, sqlUncompared, a.projections())
	if err != nil {
		return fmt.Errorf("forget drift in what is compared no more: %w", err)
	}
	if n := gone.RowsAffected(); n > 0 {
		a.Logger.WarnContext(ctx, "drift in what is not configured any more is forgotten", slog.Int64("places", n))
	}
	return nil
}

const sqlPlacesOf = `SELECT tenant, object, id FROM selfaudit_v1.drift WHERE projection = $1 AND tenant = $2 AND stream = $3`

// placesOf returns the places with drift that were taken for rows of a stream.
func placesOf(ctx context.Context, tx pgx.Tx, projection string, stream eventstore.StreamID) ([]compare.Place, error) {
	found, err := tx.Query(ctx, sqlPlacesOf, projection, stream.Tenant, stream.Name)
	if err != nil {
		return nil, fmt.Errorf("read drift: %w", err)
	}
	places, err := pgx.CollectRows(found, pgx.RowToStructByPos[compare.Place])
	if err != nil {
		return nil, fmt.Errorf("read drift: %w", err)
	}
	return places, nil
}

const sqlCounts = `SELECT projection, count(*) FROM selfaudit_v1.drift GROUP BY projection`

func counts(ctx context.Context, db Querier) (map[string]int64, error) {
	found, err := db.Query(ctx, sqlCounts)
	if err != nil {
		return nil, fmt.Errorf("count drift: %w", err)
	}
	byName := make(map[string]int64)
	var name string
	var n int64
	if _, err := pgx.ForEachRow(found, []any{&name, &n}, func() error { byName[name] = n; return nil }); err != nil {
		return nil, fmt.Errorf("count drift: %w", err)
	}
	return byName, nil
}

// cursor is where the walk is.
type cursor struct {
	stage string
	last  compare.Place
	began int64
}

const sqlCursor = `SELECT stage, tenant, object, id, began FROM selfaudit_v1.cursor`

const sqlSaveCursor = `
INSERT INTO selfaudit_v1.cursor (stage, tenant, object, id, began) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (one) DO UPDATE SET stage = excluded.stage, tenant = excluded.tenant, object = excluded.object, id = excluded.id, began = excluded.began`
