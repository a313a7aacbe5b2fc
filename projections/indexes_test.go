package projections_test

import (
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/projections"
)

func listIndexes(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_indexes WHERE schemaname = 'tables_v2'
		AND indexname IN ('fees_created_idx', 'fees_status_idx', 'fee_events_fee_idx')`).Scan(&n))
	return n
}

// The indexes of lists come when the end of the log is near: not while a long log is read, also after a stop in the midst of it.
func TestIndexesComeWhenTheEndIsNear(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 12)
	pool := l.DB.ProjectorPool(t)
	head := l.Random(t, 60)
	const batch = 20
	var pages atomic.Int64
	stopped := make(chan struct{})
	start(t, l, func(c *projections.RunConfig) {
		c.BatchSize = batch
		c.Failpoint = func(point string) {
			if point == "committed" && pages.Add(1) == 2 {
				close(stopped)
				<-t.Context().Done()
			}
		}
	})
	<-stopped
	require.EqualValues(t, 2*batch, readCheckpoint(t, pool).Position)
	require.Zero(t, listIndexes(t, pool))
	// It hangs until the test ends, and its lease runs out.
	second := start(t, l, func(c *projections.RunConfig) { c.BatchSize = batch })
	waitFor(t, pool, head)
	require.Equal(t, 3, listIndexes(t, pool))
	requireReplayed(t, l, head)
	second.stop()
	require.NoError(t, second.wait(t))
	_, err := pool.Exec(t.Context(), `DROP INDEX tables_v2.fees_status_idx`)
	require.NoError(t, err)
	start(t, l)
	require.Eventually(t, func() bool { return listIndexes(t, pool) == 3 }, patience, patience/1000, "completed at the start")
}

// The end of the log may be that of a full page: then nothing follows it that would tell.
func TestIndexesComeAfterAFullPageToo(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 13)
	pool := l.DB.ProjectorPool(t)
	head := l.Random(t, 20)
	start(t, l, func(c *projections.RunConfig) { c.BatchSize = int(head) })
	waitFor(t, pool, head)
	require.Eventually(t, func() bool { return listIndexes(t, pool) == 3 }, patience, patience/1000)
}

// Statistics are made with the indexes, not at each start: the row of the lease is locked meanwhile.
func TestTablesAreAnalyzedWithTheirIndexes(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 14)
	pool := l.DB.ProjectorPool(t)
	analyzed := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT coalesce(sum(analyze_count), 0) FROM pg_stat_user_tables WHERE schemaname = 'tables_v2'`).Scan(&n))
		return n
	}
	follow := func() {
		r := start(t, l)
		waitFor(t, pool, l.Random(t, 10))
		r.stop()
		require.NoError(t, r.wait(t))
	}
	follow()
	once := analyzed()
	require.Positive(t, once)
	follow()
	require.Equal(t, once, analyzed(), "nothing was missing")
	_, err := pool.Exec(t.Context(), `DROP INDEX tables_v2.fees_status_idx`)
	require.NoError(t, err)
	follow()
	require.Greater(t, analyzed(), once, "an index was")
}
