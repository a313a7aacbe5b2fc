package pgtest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/internal/pgserver"
)

const schema = `
DO $$ BEGIN CREATE ROLE payledger_app; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE things (id bigint PRIMARY KEY);
GRANT SELECT ON things TO payledger_app;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO payledger_app', current_database()); END $$`

func migrate(ctx context.Context, ownerURL string) error {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, schema)
	return err
}

//nolint:tparallel // the group ends when its parallel copies have
func TestEveryTestHasItsOwnCopyOfOneTemplate(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	tpl := pgtest.Template{
		Name:  "pgtest_copy",
		Files: fstest.MapFS{"1.sql": {Data: []byte(t.TempDir())}}, // new in each run, also on a server that lives on
		Migrate: func(ctx context.Context, url string) error {
			runs.Add(1)
			return migrate(ctx, url)
		},
	}
	t.Run("group", func(t *testing.T) {
		for range 8 {
			t.Run("copy", func(t *testing.T) {
				t.Parallel()
				db := pgtest.NewFrom(t, tpl)
				_, err := db.Pool(t).Exec(t.Context(), "INSERT INTO things VALUES (1)")
				require.NoError(t, err)
				var n int
				require.NoError(t, db.AppPool(t).QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n))
				require.Equal(t, 1, n)
				_, err = db.AppPool(t).Exec(t.Context(), "INSERT INTO things VALUES (2)")
				require.ErrorContains(t, err, "permission denied")
				_, err = db.AppPool(t).Exec(t.Context(), "CREATE SCHEMA granted")
				require.NoError(t, err)
			})
		}
	})
	require.EqualValues(t, 1, runs.Load())
}

//nolint:tparallel // the end of the subtest is what the test is about
func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	t.Parallel()
	var gone string
	t.Run("short life", func(t *testing.T) {
		db := pgtest.New(t)
		gone = db.Name
		require.NoError(t, db.Pool(t).Ping(t.Context()))
	})
	var n int
	pool := pgtest.New(t).Pool(t)
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", gone).Scan(&n))
	require.Zero(t, n)
}

func TestOwnerIsNoSuperuser(t *testing.T) {
	t.Parallel()
	var super bool
	pool := pgtest.New(t).Pool(t)
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&super))
	require.False(t, super)
}

func TestDurableServerKeepsItsDataOverACrash(t *testing.T) {
	t.Parallel()
	server := pgtest.StartDurable(t)
	require.NoError(t, execute(t, server.URL("postgres"), "CREATE TABLE kept AS SELECT 1 AS x"))
	require.NoError(t, server.Stop(pgserver.Immediate))
	require.ErrorIs(t, server.Stop(pgserver.Immediate), pgserver.ErrNotRunning)
	require.Error(t, execute(t, server.URL("postgres"), "SELECT"))
	require.NoError(t, server.Start(t.Context()))
	require.NoError(t, execute(t, server.URL("postgres"), "INSERT INTO kept VALUES (2)"))
}

func execute(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, conn.Close(t.Context()))
	return err
}
