// Package tables holds the current-state tables behind the GET routes: their schema, how rows are written (by the
// projection "tables" alone) and the queries over them. Every key and every query begins with the tenant.
package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels/checkpoints"
)

// The projection that fills these tables; the version is part of the schema's name.
const (
	ProjectionName    = "tables"
	ProjectionVersion = 2
)

// Projection names the checkpoint of these tables.
func Projection() checkpoints.Projection {
	return checkpoints.Projection{Name: ProjectionName, Version: ProjectionVersion}
}

const sqlSchemaExists = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

// EnsureSchema creates the tables if they are absent, and says whether it did; EnsureIndexes completes them. It runs as the projector,
// who owns them.
func EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists, "tables_v2").Scan(&exists); err != nil || exists {
		return false, err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return false, fmt.Errorf("create schema tables_v2: %w", err)
	}
	return true, nil
}

// EnsureIndexes creates the indexes that only lists need, if they are absent. It runs as the projector.
func EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlCreateIndexes); err != nil {
		return fmt.Errorf("create the indexes of tables_v2: %w", err)
	}
	return nil
}
