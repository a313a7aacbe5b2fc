// Package proofs keeps the Merkle tree over the log, as tiles, and the checkpoints that were signed of it, and makes proofs of both.
package proofs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"payledger/proof"
	"payledger/readmodels/checkpoints"
)

// ProjectionName is the name of the projection that builds the tree.
const ProjectionName = "proofs"

// Projection names the version that this package reads.
func Projection() checkpoints.Projection {
	return checkpoints.Projection{Name: ProjectionName, Version: 1}
}

// ErrNoCheckpoint says that no checkpoint that would do has been signed.
var ErrNoCheckpoint = errors.New("no such checkpoint was signed")

// Hashes can't be compressed, so Postgres needn't try.
const sqlCreateSchema = `
CREATE SCHEMA proofs_v1;
CREATE TABLE proofs_v1.tiles (
    level  smallint NOT NULL,
    index  bigint   NOT NULL,
    hashes bytea    NOT NULL,
    CONSTRAINT tiles_pkey PRIMARY KEY (level, index)
);
ALTER TABLE proofs_v1.tiles ALTER hashes SET STORAGE EXTERNAL;
CREATE TABLE proofs_v1.checkpoints (
    number bigint  NOT NULL CONSTRAINT checkpoints_pkey PRIMARY KEY,
    epoch  bigint  NOT NULL,
    size   bigint  NOT NULL,
    note   text    NOT NULL,
    sent   boolean NOT NULL DEFAULT false
);
CREATE INDEX checkpoints_size_idx ON proofs_v1.checkpoints (size, number);
CREATE INDEX checkpoints_unsent_idx ON proofs_v1.checkpoints (number) WHERE NOT sent;
GRANT USAGE ON SCHEMA proofs_v1 TO payledger_app;
GRANT SELECT ON ALL TABLES IN SCHEMA proofs_v1 TO payledger_app;`

const sqlSchemaExists = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'proofs_v1')`

// EnsureSchema creates the tables if they are absent, and says whether it did. It runs as the projector, who owns them.
func EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists).Scan(&exists); err != nil || exists {
		return false, err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return false, fmt.Errorf("create schema proofs_v1: %w", err)
	}
	return true, nil
}

// DB is what queries run on: a transaction, a connection or a pool.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const sqlWriteTiles = `
INSERT INTO proofs_v1.tiles (level, index, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes`

// WriteTiles stores tiles; those that are there already are replaced.
func WriteTiles(ctx context.Context, db DB, tiles []proof.Tile) error {
	levels, indexes, hashes := make([]int16, len(tiles)), make([]int64, len(tiles)), make([][]byte, len(tiles))
	for i, tile := range tiles {
		levels[i], indexes[i], hashes[i] = int16(tile.Level), tile.Index, tile.Hashes //nolint:gosec // eight levels hold every log
	}
	if _, err := db.Exec(ctx, sqlWriteTiles, levels, indexes, hashes); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	return nil
}

const sqlReadTile = `SELECT hashes FROM proofs_v1.tiles WHERE level = $1 AND index = $2`

// Tiles returns the function that reads stored tiles; an absent one is empty.
func Tiles(ctx context.Context, db DB) func(level int, index int64) ([]byte, error) {
	return func(level int, index int64) ([]byte, error) {
		var hashes []byte
		err := db.QueryRow(ctx, sqlReadTile, level, index).Scan(&hashes)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("read tile %d of level %d: %w", index, level, checkpoints.NotBuilt(err))
		}
		return hashes, nil
	}
}

// Signed is a checkpoint as it was signed.
type Signed struct {
	Number int64 // 1, 2, 3 … in the order of signing, within one database
	Note   string
	proof.Checkpoint
}

const sqlAddCheckpoint = `
INSERT INTO proofs_v1.checkpoints (number, epoch, size, note)
SELECT coalesce(max(number), 0) + 1, $1, $2, $3 FROM proofs_v1.checkpoints RETURNING number`

// AddCheckpoint stores what was signed. The caller holds the lease.
func AddCheckpoint(ctx context.Context, db DB, c proof.Checkpoint, note []byte) (Signed, error) {
	s := Signed{Checkpoint: c, Note: string(note)}
	if err := db.QueryRow(ctx, sqlAddCheckpoint, c.Epoch, c.Size, s.Note).Scan(&s.Number); err != nil {
		return Signed{}, fmt.Errorf("store a checkpoint: %w", err)
	}
	return s, nil
}

const (
	sqlLatest       = `SELECT number, note FROM proofs_v1.checkpoints ORDER BY number DESC LIMIT 1`
	sqlLatestBefore = `SELECT number, note FROM proofs_v1.checkpoints WHERE size <= $1 ORDER BY number DESC LIMIT 1`
	sqlOfSize       = `SELECT number, note FROM proofs_v1.checkpoints WHERE size = $1 ORDER BY number DESC LIMIT 1`
	sqlAfter        = `SELECT number, note FROM proofs_v1.checkpoints WHERE (epoch, size) > ($1, $2) ORDER BY number`
	sqlBetween      = `SELECT number, note FROM proofs_v1.checkpoints WHERE size > $1 AND size <= $2 ORDER BY size, number`
	sqlUnsent       = `SELECT number, note FROM proofs_v1.checkpoints WHERE NOT sent ORDER BY number LIMIT 100`
)

// Latest returns the last checkpoint that was signed. ErrNoCheckpoint; checkpoints.ErrNotBuilt.
func Latest(ctx context.Context, db DB) (Signed, error) { return one(ctx, db, sqlLatest) }

// LatestBefore returns the last one of at most so many events.
func LatestBefore(ctx context.Context, db DB, size int64) (Signed, error) {
	return one(ctx, db, sqlLatestBefore, size)
}

// OfSize returns the last one of exactly so many events.
func OfSize(ctx context.Context, db DB, size int64) (Signed, error) {
	return one(ctx, db, sqlOfSize, size)
}

// After returns those that were signed after a checkpoint, in order.
func After(ctx context.Context, db DB, c proof.Checkpoint) ([]Signed, error) {
	return list(ctx, db, sqlAfter, c.Epoch, c.Size)
}

// Unsent returns the next ones that Kafka doesn't have, in order; none as long as there is no tree. Where nothing is signed there never is one,
// and the publisher asks every second: so it isn't asked by a statement that the server refuses and logs.
func Unsent(ctx context.Context, db DB) ([]Signed, error) {
	var exists bool
	if err := db.QueryRow(ctx, sqlSchemaExists).Scan(&exists); err != nil || !exists {
		return nil, err
	}
	signed, err := list(ctx, db, sqlUnsent)
	if errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil, nil
	}
	return signed, err
}

// SignedBetween returns those of more than a number of events and at most another, in order of size; none as long as there is no tree.
func SignedBetween(ctx context.Context, db DB, more, most int64) ([]Signed, error) {
	signed, err := list(ctx, db, sqlBetween, more, most)
	if errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil, nil
	}
	return signed, err
}

const sqlMarkSent = `UPDATE proofs_v1.checkpoints SET sent = true WHERE number = $1`

// MarkSent notes that Kafka has a checkpoint.
func MarkSent(ctx context.Context, db DB, number int64) error {
	if _, err := db.Exec(ctx, sqlMarkSent, number); err != nil {
		return fmt.Errorf("note that checkpoint %d was sent: %w", number, err)
	}
	return nil
}

func one(ctx context.Context, db DB, sql string, args ...any) (Signed, error) {
	signed, err := list(ctx, db, sql, args...)
	if err == nil && len(signed) == 0 {
		err = ErrNoCheckpoint
	}
	if err != nil {
		return Signed{}, err
	}
	return signed[0], nil
}

func list(ctx context.Context, db DB, sql string, args ...any) ([]Signed, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", checkpoints.NotBuilt(err))
	}
	signed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Signed, err error) {
		if err := row.Scan(&s.Number, &s.Note); err != nil {
			return Signed{}, err
		}
		s.Checkpoint, err = proof.Unverified([]byte(s.Note))
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", checkpoints.NotBuilt(err))
	}
	return signed, nil
}
