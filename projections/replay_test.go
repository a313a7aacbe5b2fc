package projections_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
)

// requireEqualToReplay compares a stored read model with the fold of the events that it was given.
func requireEqualToReplay(ctx context.Context, t require.TestingT, p projections.Postgres, pool *pgxpool.Pool, events []catalog.Event) {
	stored, err := p.Digest(ctx, pool)
	require.NoError(t, err)
	replay := p.NewReplay()
	for _, ev := range events {
		require.NoError(t, replay.Apply(ev))
	}
	require.Equal(t, replay.Sum(), stored.Sum)
}

// TestBatchesAndForgettingChangeNothing cuts a random history into random transactions, some of which are rolled back and done
// again: the rows are those of one fold from the first event on.
func TestBatchesAndForgettingChangeNothing(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 21)
			head := l.Random(t, 500)
			pool := l.DB.ProjectorPool(t)
			events := l.Events(t, 0, int(head))
			handled := make(map[string]bool)
			for _, name := range p.New().Handles() {
				handled[name] = true
			}
			var given []catalog.Event
			for _, ev := range events {
				if handled[ev.Type] {
					given = append(given, ev)
				}
			}
			for _, ev := range given {
				delete(handled, ev.Type)
			}
			require.Empty(t, handled, "events that the history is without")
			ctx := t.Context()
			rapid.Check(t, func(rt *rapid.T) {
				_, err := pool.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %s_v%d CASCADE", p.Projection.Name, p.Projection.Version))
				require.NoError(rt, err)
				projector := p.New()
				require.NoError(rt, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					created, err := projector.EnsureSchema(ctx, tx)
					require.True(rt, created)
					return err
				}))
				for from := 0; from < len(given); {
					to := min(len(given), from+rapid.IntRange(1, 800).Draw(rt, "batch"))
					tx, err := pool.Begin(ctx)
					require.NoError(rt, err)
					require.NoError(rt, projector.Apply(ctx, tx, given[from:to]))
					if rapid.IntRange(0, 3).Draw(rt, "roll back") == 0 {
						require.NoError(rt, tx.Rollback(ctx))
						projector.Reset()
						continue
					}
					require.NoError(rt, tx.Commit(ctx))
					from = to
				}
				requireEqualToReplay(ctx, rt, p, pool, events)
			})
		})
	}
}

// TestRowsOutOfStepAreNoticed gives a projector events that don't follow what it has stored.
func TestRowsOutOfStepAreNoticed(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 22)
			pool := l.DB.ProjectorPool(t)
			l.Assess(t, l.Users[0], 500)
			l.Pay(t, l.Users[0], 200)
			l.Pay(t, l.Users[0], 100)
			head := l.Flush(t)
			events := l.Events(t, 0, int(head))
			require.Len(t, events, 5)
			apply := func(events ...catalog.Event) error {
				projector := p.New()
				return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
						return err
					}
					return projector.Apply(t.Context(), tx, events)
				})
			}
			require.Error(t, apply(events[2]), "a payment on a fee that isn't there")
			require.NoError(t, apply(events[:3]...))
			require.Error(t, apply(events[2]), "once more")
			require.Error(t, apply(events[0]), "assessed again")
			skipping := events[4]
			skipping.Version++
			require.Error(t, apply(skipping))
			require.NoError(t, apply(events[3:]...))
			requireEqualToReplay(t.Context(), t, p, pool, events)
		})
	}
}
