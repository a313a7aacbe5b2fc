package rebuild_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/projections/bulk"
	"payledger/projections/rebuild"
)

// slowly makes each row that is read of a live table take its time, as on a cold disk; only a read of all rows is slow then.
func (w *world) slowly(t *testing.T, table string) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), `
CREATE FUNCTION `+w.schema+`.slowly(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN true; END $$;
CREATE POLICY slowly ON `+w.schema+`.`+table+` USING (`+w.schema+`.slowly(position)) WITH CHECK (true);
ALTER TABLE `+w.schema+`.`+table+` FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY;`)
	require.NoError(t, err)
}

// TestASwapReadsWhatWasTouched swaps tables of which a whole scan takes longer than Postgres leaves a transaction idle: while the projector is kept
// waiting only the rows are read that changed since the comparison.
func TestASwapReadsWhatWasTouched(t *testing.T) {
	t.Parallel()
	only(t, "tables", 91, func(t *testing.T, w *world) {
		t.Helper()
		var rows int
		require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT count(*) FROM tables_v2.fees").Scan(&rows))
		require.Greater(t, rows, 60, "a scan of 12 seconds")
		result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
			c.Failpoint = func(point string) {
				switch point {
				case "verified":
					w.Assess(t, w.Users[0], 500)
					w.reaches(t, w.Flush(t))
					w.slowly(t, "fees")
				case "swapped":
					_, err := w.pool.Exec(t.Context(), "ALTER TABLE tables_v2_old.fees DISABLE ROW LEVEL SECURITY")
					require.NoError(t, err)
				}
			}
		}))
		require.NoError(t, err)
		require.True(t, result.Swapped)
		require.True(t, result.Equal)
		w.whole(t)
	})
}

// TestNothingIsWrittenDownOfALiveReadModel: neither one that a rebuild has swapped, nor one that a projector takes over from a rebuild that was not to
// swap, is slowed down by triggers.
func TestNothingIsWrittenDownOfALiveReadModel(t *testing.T) {
	t.Parallel()
	each(t, 92, func(t *testing.T, w *world) {
		t.Helper()
		triggers := func() (n int) {
			require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_trigger WHERE tgname = 'rebuild_touched'").Scan(&n))
			return n
		}
		noSwap := w.config(func(c *rebuild.Config) { c.NoSwap = true })
		_, err := rebuild.Run(t.Context(), noSwap)
		require.NoError(t, err)
		require.Positive(t, triggers())
		_, err = rebuild.Run(t.Context(), w.config())
		require.NoError(t, err)
		require.Zero(t, triggers())
		require.NoError(t, rebuild.DropOld(t.Context(), noSwap))

		_, err = rebuild.Run(t.Context(), noSwap)
		require.NoError(t, err)
		require.Positive(t, triggers())
		w.stop()
		require.NoError(t, pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error { return bulk.Take(t.Context(), tx, w.p.New()) }))
		require.Zero(t, triggers())
		w.whole(t)
		var left int
		require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relname LIKE 'rebuild_touched%'").Scan(&left))
		require.Zero(t, left)
	})
}

// TestNoSwapTakesNothingAway: a rebuild that compares and doesn't swap after all leaves what stands aside since the last one to be rolled back to.
func TestNoSwapTakesNothingAway(t *testing.T) {
	t.Parallel()
	only(t, "tables", 93, func(t *testing.T, w *world) {
		t.Helper()
		_, err := rebuild.Run(t.Context(), w.config())
		require.NoError(t, err)
		require.True(t, w.exists(t, "tables_v2_old"))
		var id string
		_, err = rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
			c.Failpoint = func(point string) {
				if point == "verified" {
					id = w.Assess(t, w.Users[0], 500)
					w.reaches(t, w.Flush(t))
					w.exec(t, `UPDATE %s.fees SET amount = 1 WHERE id = $1`, id)
				}
			}
		}))
		require.ErrorIs(t, err, rebuild.ErrDiffers)
		require.True(t, w.exists(t, "tables_v2_old"))

		w.exec(t, `UPDATE %s.fees SET amount = 500 WHERE id = $1`, id)
		reader, err := w.projector.Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = reader.Rollback(context.WithoutCancel(t.Context())) }() // else a failure hangs
		_, err = reader.Exec(t.Context(), "LOCK TABLE tables_v2.fees IN ACCESS SHARE MODE")
		require.NoError(t, err)
		_, err = rebuild.Run(t.Context(), w.config())
		require.ErrorIs(t, err, rebuild.ErrBusy)
		require.NoError(t, reader.Rollback(t.Context()))
		require.True(t, w.exists(t, "tables_v2_old"))

		result, err := rebuild.RollBack(t.Context(), w.config())
		require.NoError(t, err)
		require.True(t, result.Swapped)
		w.whole(t)
		for range 2 { // one takes the place of the other
			_, err = rebuild.Run(t.Context(), w.config())
			require.NoError(t, err)
			require.True(t, w.exists(t, "tables_v2_old"))
			require.False(t, w.exists(t, "tables_v2_gone"))
		}
		w.whole(t)
	})
}
