package eventstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"payledger/eventstore/migrations"
)

// migrationTable keeps what was applied, beside the log itself.
const migrationTable = "ledger.migrations"

// While another process migrates, we look every second whether it is done, for five minutes at most.
const (
	lockPeriodSeconds = 1
	lockTries         = 300
)

// sqlSchema may run in several processes at once: the loser of the race finds what it wanted.
const sqlSchema = `
DO $$ BEGIN
    CREATE SCHEMA IF NOT EXISTS ledger;
EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL;
END $$`

// Migrate brings the schema of the log, its roles and their rights to the newest version. Several processes may do so at once.
func Migrate(ctx context.Context, ownerURL string) error {
	return withProvider(ctx, ownerURL, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// Migration is a step of the schema.
type Migration struct {
	Version   int64
	Name      string
	Applied   bool
	AppliedAt time.Time // zero when it is not applied
}

// Status returns all migrations in order, and which of them are applied.
func Status(ctx context.Context, ownerURL string) ([]Migration, error) {
	var steps []Migration
	err := withProvider(ctx, ownerURL, func(p *goose.Provider) error {
		status, err := p.Status(ctx)
		for _, s := range status {
			steps = append(steps, Migration{
				Version: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied, AppliedAt: s.AppliedAt,
			})
		}
		return err
	})
	return steps, err
}

func withProvider(ctx context.Context, ownerURL string, fn func(*goose.Provider) error) (err error) {
	config, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return fmt.Errorf("migrate: parse the database URL: %w", err)
	}
	config.RuntimeParams["application_name"] = "payledger migrate"
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(ctx, db)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := fn(provider); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func newProvider(ctx context.Context, db *sql.DB) (*goose.Provider, error) {
	if _, err := db.ExecContext(ctx, sqlSchema); err != nil {
		return nil, fmt.Errorf("make schema ledger: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPeriodSeconds, lockTries))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(database.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
}
