package projections_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/tables"
)

// A halt met after the owner was told to stop counts only where work drains: else the stop itself may be what it met.
func TestHaltAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, drains := range map[string]bool{"work that ends at once": false, "work that drains": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := ledgertest.Open(t, 1).DB.ProjectorPool(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			halts := 0
			err := projections.Own(ctx, projections.OwnConfig{
				Lease:  projections.LeaseConfig{Pool: pool, Projection: "tables", Version: tables.ProjectionVersion, Owner: "one", TTL: time.Hour},
				Logger: slog.New(slog.DiscardHandler), Now: time.Now, Backoff: &backoff.ZeroBackOff{}, Drains: drains,
				Halted: func(string) { halts++ }, Retried: func(string) {},
			}, func(context.Context, *projections.Lease) error {
				stop()
				return &projections.HaltedError{Projection: "tables", Version: tables.ProjectionVersion, Position: 7, Err: projections.ErrPanic}
			})
			stored := readCheckpoint(t, pool)
			require.Empty(t, stored.Owner, "released")
			if !drains {
				require.NoError(t, err)
				require.Zero(t, halts)
				require.Equal(t, "running", stored.State)
				return
			}
			require.ErrorIs(t, err, projections.ErrPanic)
			require.Equal(t, 1, halts)
			require.Equal(t, "halted", stored.State)
		})
	}
}

// A lease that can't be taken, as by a role without the right, is told at once instead of being tried for ever.
func TestLeaseThatCanNotBeTaken(t *testing.T) {
	t.Parallel()
	pool := ledgertest.Open(t, 1).DB.AppPool(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	retried := 0
	err := projections.Own(ctx, projections.OwnConfig{
		Lease:  projections.LeaseConfig{Pool: pool, Projection: "tables", Version: tables.ProjectionVersion, Owner: "one", TTL: time.Hour},
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Backoff: &backoff.ZeroBackOff{}, Retried: func(string) { retried++; stop() },
	}, func(context.Context, *projections.Lease) error { return nil })
	require.ErrorContains(t, err, "take the lease of tables: ERROR: permission denied")
	require.Zero(t, retried)
}
