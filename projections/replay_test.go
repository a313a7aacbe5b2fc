package projections_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/digest"
)

// requireEqualToReplay compares a stored read model with the fold of the events that it was given.
func requireEqualToReplay(ctx context.Context, t require.TestingT, p projections.Postgres, pool *pgxpool.Pool, events []catalog.Event) {
	requireSum(ctx, t, p, pool, replayed(t, p, events))
}

// replayed sums up the fold of events.
func replayed(t require.TestingT, p projections.Postgres, events []catalog.Event) digest.Sum {
	replay := p.NewReplay()
	for _, ev := range events {
		require.NoError(t, replay.Apply(ev))
	}
	return replay.Sum()
}

func requireSum(ctx context.Context, t require.TestingT, p projections.Postgres, pool *pgxpool.Pool, wanted digest.Sum) {
	stored, err := p.Digest(ctx, pool)
	require.NoError(t, err)
	require.Equal(t, wanted, stored.Sum)
}

// everything returns a random history, made longer until there is every kind of event that a projection handles, and those of them. One kind
// is rare, credit.reversed: an overpayment is voided before anybody touches its credit. A seed whose long history lacks it won't do, and one
// that has it early keeps its readers quick.
func everything(t *testing.T, l *ledgertest.Log, p projections.Postgres) (events, given []catalog.Event) {
	t.Helper()
	head := l.Random(t, 400)
	var left map[string]bool
	for range 5 {
		left = make(map[string]bool)
		for _, name := range p.New().Handles() {
			left[name] = true
		}
		handled := maps.Clone(left)
		events = l.Events(t, 0, int(head))
		given = slices.DeleteFunc(slices.Clone(events), func(ev catalog.Event) bool {
			delete(left, ev.Type)
			return !handled[ev.Type]
		})
		if len(left) == 0 {
			return events, given
		}
		head = l.Random(t, 20)
	}
	require.Empty(t, left, "events that the history is without: choose another seed")
	return nil, nil
}

var errRolledBack = errors.New("rolled back")

// TestBatchesAndForgettingChangeNothing cuts a random history into random transactions, some of which are rolled back and done
// again: the rows are those of one fold from the first event on.
func TestBatchesAndForgettingChangeNothing(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 28)
			pool := l.DB.ProjectorPool(t)
			events, given := everything(t, l, p)
			wanted := replayed(t, p, events)
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
					to := min(len(given), from+rapid.IntRange(1, 300).Draw(rt, "batch"))
					err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
						require.NoError(rt, projector.Apply(ctx, tx, given[from:to]))
						if rapid.IntRange(0, 3).Draw(rt, "roll back") == 0 {
							return errRolledBack
						}
						return nil
					})
					if errors.Is(err, errRolledBack) {
						projector.Reset()
						continue
					}
					require.NoError(rt, err)
					from = to
				}
				requireSum(ctx, rt, p, pool, wanted)
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
