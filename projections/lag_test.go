package projections_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// The lag is told whether or not a projection gets on: also of one that nobody runs.
func TestLagIsThatOfTheDatabase(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 1)
	pool := l.DB.ProjectorPool(t)
	reg := prometheus.NewPedanticRegistry()
	projections.RegisterLag(reg, pool, slog.New(slog.DiscardHandler), tables.Projection(), checkpoints.Projection{Name: "unheard-of", Version: 1})
	lag := func(metric, of string) float64 {
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == metric && m.GetLabel()[0].GetValue() == of {
					return m.GetGauge().GetValue()
				}
			}
		}
		return -1
	}
	requireLag := func(events int64) {
		require.InDelta(t, events, lag("projection_lag_events", "tables"), 0)
		require.Equal(t, events > 0, lag("projection_lag_seconds", "tables") > 0)
	}
	requireLag(0)
	first := l.Random(t, 20)
	requireLag(first)
	r := start(t, l)
	waitFor(t, pool, first)
	requireLag(0)
	_, err := pool.Exec(t.Context(), "INSERT INTO ledger.checkpoints (projection, version, position) VALUES ('unheard-of', 2, $1)", first)
	require.NoError(t, err)
	require.InDelta(t, first, lag("projection_lag_events", "unheard-of"), 0, "another version is none of it")
	r.stop()
	require.NoError(t, r.wait(t))
	requireLag(l.Random(t, 20) - first)

	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	pool.Close()
	require.InDelta(t, -1, lag("projection_lag_events", "tables"), 0, "none while the database doesn't answer")
}
