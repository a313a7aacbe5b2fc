// Package projections runs the projections: each is given the events of the log in order and keeps a checkpoint.
//
// A projection into Postgres stores its rows and its checkpoint in one transaction, so a crash can't part them. The
// checkpoint is moved by compare-and-set under a lease with an epoch: of two owners only one can commit. An event that
// can't be applied halts its projection visibly and alone; it is never skipped. Everything a projection builds is a fold
// of the log and may be thrown away.
package projections

import (
	"context"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore/catalog"
)

// Projector builds a read model in Postgres. Run calls its methods from one goroutine.
type Projector interface {
	// Name is the projection's name for ever, Version that of its shape: both name its schema and its checkpoint.
	Name() string
	Version() int
	// Handles and Ignores name event types; every type of the catalog is in exactly one of them. Ignored events aren't even decoded.
	Handles() []string
	Ignores() []string
	// Tables names the tables that Apply writes, with their schema.
	Tables() []string
	// EnsureSchema creates the schema <name>_v<version> if it is absent, and says whether it did.
	EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error)
	// EnsureIndexes creates the indexes that Apply doesn't need, if they are absent. It is called when the read model is nearly built.
	EnsureIndexes(ctx context.Context, tx pgx.Tx) error
	// Apply writes what the events change. It must not commit. It may be called again with the same events, or some of
	// them, after Reset. An error that isn't one of the database's passing troubles means: these events can't be applied.
	Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error
	// Reset drops whatever the projector remembers of its read model. It is called before the first Apply, and whenever
	// a transaction isn't known to have committed.
	Reset()
}
