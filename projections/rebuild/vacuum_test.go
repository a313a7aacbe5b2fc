package rebuild_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/projections"
	"payledger/projections/rebuild"
)

// Autovacuum of a large table takes longer than a swap is tried. It lets go of a table only when somebody has waited for it for a second.
func TestSwapsBesideAutovacuum(t *testing.T) {
	t.Parallel()
	w := open(t, 61, projections.All()[0])
	super, err := pgxpool.New(t.Context(), w.DB.SuperURL)
	require.NoError(t, err)
	t.Cleanup(super.Close)
	exec := func(sql string) {
		_, err := super.Exec(context.WithoutCancel(t.Context()), sql)
		require.NoError(t, err, sql)
	}
	for _, sql := range []string{
		"ALTER TABLE tables_v2.fees SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
		"UPDATE tables_v2.fees SET amount = amount",
		"ALTER SYSTEM SET autovacuum_naptime = '1s'",
		"SELECT pg_reload_conf()",
	} {
		exec(sql)
	}
	defer exec("SELECT pg_reload_conf()")
	defer exec("ALTER SYSTEM RESET autovacuum_naptime")
	vacuuming := func() (yes bool) {
		err := super.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid = 'tables_v2.fees'::regclass)").Scan(&yes)
		require.NoError(t, err)
		return yes
	}
	result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
		c.Failpoint = func(point string) {
			if point == "verified" {
				require.Eventually(t, vacuuming, 4*patience, 10*time.Millisecond) // it visits one database after the other
			}
		}
		c.Wait = func(context.Context) { require.Fail(t, "the swap is tried again") }
	}))
	require.NoError(t, err)
	require.True(t, result.Swapped)
}
