package projections

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	booksprojection "payledger/projections/books"
	"payledger/projections/bulk"
	documentsprojection "payledger/projections/documents"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
	"payledger/readmodels/documents"
	"payledger/readmodels/tables"
)

// Replay folds a log in memory into what a read model should hold.
type Replay interface {
	// Apply folds the next event.
	Apply(ev catalog.Event) error
	// End lets go of what is kept of a stream of which no later event comes.
	End(stream eventstore.StreamID)
	Sum() digest.Sum
}

// Postgres is a projection into Postgres: how it is built, and how what it has built is checked against the log.
type Postgres struct {
	Projection checkpoints.Projection
	// New returns a projector for one runner.
	New func() Projector
	// Digest sums up the stored read model.
	Digest func(ctx context.Context, pool *pgxpool.Pool) (digest.Stored, error)
	// Bulk is how it is built at once. Shapes say how two of its read models are compared.
	Bulk   bulk.Model
	Shapes func() []digest.Shape
	// NewReplay returns a replay at the beginning of the log.
	NewReplay func() Replay
	// ReplayShare returns one of the rows whose keys are in a share: together the sums of all shares are that of NewReplay. Nil: there are no shares.
	ReplayShare func(bulk.Share) Replay
}

// All lists the projections into Postgres. A new one is a line here; running, lag, halting and verification come with it.
func All() []Postgres {
	return []Postgres{
		{
			tables.Projection(), func() Projector { return tablesprojection.New() },
			tables.Digest,
			bulk.Model{
				Fold:       func(bulk.Share) bulk.Fold { return tables.NewBulk() },
				Join:       func(to, from bulk.Fold) { to.(*tables.Bulk).Join(from.(*tables.Bulk)) }, //nolint:forcetypeassert // Fold made both
				Lanes:      tables.Lanes,
				StreamSize: 750, Brief: 1,
			},
			tables.Shapes,
			func() Replay { return new(tables.Replay) },
			func(s bulk.Share) Replay { return tables.NewReplay(s.Holds) },
		},
		{
			documents.Projection(), func() Projector { return documentsprojection.New() },
			documents.Digest,
			bulk.Model{
				Fold: func(s bulk.Share) bulk.Fold { return documents.NewBulk(s.Holds) },
				Key:  func(eventstore.StreamID) string { return "" },

				StreamSize: 3000,
			},
			documents.Shapes,
			func() Replay { return new(documents.Replay) },
			func(s bulk.Share) Replay { return documents.NewReplay(s.Holds) },
		},
		{
			books.Projection(), func() Projector { return booksprojection.New() },
			books.Digest,
			bulk.Model{}, // how much of other streams a posting needs has no bound
			books.Shapes,
			func() Replay { return new(books.Replay) },
			nil, // the money of a commit is that of all its streams
		},
	}
}
