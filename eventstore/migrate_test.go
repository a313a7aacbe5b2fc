package eventstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

func TestSeveralProcessesMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	before, err := eventstore.Status(t.Context(), db.OwnerURL)
	require.NoError(t, err)
	require.NotEmpty(t, before)
	require.False(t, before[0].Applied)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = eventstore.Migrate(t.Context(), db.OwnerURL) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	after, err := eventstore.Status(t.Context(), db.OwnerURL)
	require.NoError(t, err)
	require.Len(t, after, len(before))
	for _, step := range after {
		require.True(t, step.Applied)
		require.False(t, step.AppliedAt.IsZero())
	}
}

func TestTheAppMayOnlyAppend(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	_, err := store.Commit(t.Context(), claimed("k", "request", "one"))
	require.NoError(t, err)
	for _, sql := range []string{
		"UPDATE ledger.events SET type = 'x'", "DELETE FROM ledger.events", "TRUNCATE ledger.events", "UPDATE ledger.commits SET head = 0",
		"DELETE FROM ledger.commits", "DELETE FROM ledger.streams", "DELETE FROM ledger.idempotency", "UPDATE ledger.route_events SET topic = 'x'",
		"DELETE FROM ledger.route_events", "DELETE FROM ledger.head", "INSERT INTO ledger.head DEFAULT VALUES", "UPDATE ledger.checkpoints SET position = 1",
		"UPDATE ledger.cursors SET position = 1", "CREATE TABLE ledger.mine ()", "UPDATE vault.keys SET wrapped = 'x'",
		"UPDATE ledger.streams SET subject = 'x'", "UPDATE ledger.head SET erased = 0", "UPDATE ledger.head SET epoch = 2", "UPDATE ledger.idempotency SET fingerprint = 'x'",
		"INSERT INTO ledger.erasures VALUES (1, 1, 'main', 'ann', 0)", "SELECT ledger.without_texts('')",
	} {
		_, err := db.AppPool(t).Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
	for _, sql := range []string{"UPDATE ledger.events SET type = 'x'", "DELETE FROM ledger.events", "TRUNCATE ledger.events"} {
		_, err := db.Pool(t).Exec(t.Context(), sql)
		require.ErrorContains(t, err, "events are never changed", sql)
	}
}

func TestANewEpochLeavesAloneWhatMatchesTheLog(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	for n := range int64(3) {
		_, err := store.Commit(t.Context(), storetest.Add("a", n))
		require.NoError(t, err)
	}
	pool := db.Pool(t)
	_, err := pool.Exec(t.Context(), `
INSERT INTO ledger.checkpoints (projection, version, position, hash, state, problem)
SELECT 'tables', 1, position, hash, 'running', '' FROM ledger.events WHERE position = 2
UNION ALL SELECT 'search', 1, position, hash, 'running', '' FROM ledger.events WHERE position = 2
UNION ALL SELECT 'documents', 1, 3, decode(repeat('ff', 32), 'hex'), 'running', ''
UNION ALL SELECT 'books', 2, 9, decode(repeat('ff', 32), 'hex'), 'halted', 'no such event'
UNION ALL SELECT 'fresh', 1, 0, decode(repeat('00', 32), 'hex'), 'running', '';`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `INSERT INTO ledger.cursors VALUES ('db', 7, 1), ('index', 2, 1), ('route', 5, 1)
ON CONFLICT (name) DO UPDATE SET position = excluded.position`)
	require.NoError(t, err)

	change, err := eventstore.NewEpoch(t.Context(), db.OwnerURL, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, change.Epoch)
	require.ElementsMatch(t, []string{"search/1", "documents/1", "books/2"}, change.Emptied)
	require.Equal(t, []string{"db", "route"}, change.Lowered)
	require.Equal(t, []string{"books 0 running", "documents 0 running", "fresh 0 running", "search 0 running", "tables 2 running"},
		column(t, pool, "SELECT concat_ws(' ', projection, position, state) FROM ledger.checkpoints ORDER BY 1"))
	require.Equal(t, []string{"db 3 2", "index 2 2", "route 0 2"},
		column(t, pool, "SELECT concat_ws(' ', name, position, epoch) FROM ledger.cursors ORDER BY 1"))

	// A store that was not restarted takes the epoch from the head and believes nothing of what it had cached.
	_, err = store.Commit(t.Context(), addUpTo("a", 1, 3))
	require.ErrorIs(t, err, errTooMuch)
	_, err = store.Commit(t.Context(), addUpTo("a", 1, 4))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "1", "1", "2"}, column(t, pool, "SELECT epoch::text FROM ledger.events ORDER BY position"))
}

// An epoch that was given out is never given again, though a restore takes back what the log knows of it.
func TestANewEpochIsNotBelowTheLeast(t *testing.T) {
	t.Parallel()
	_, db := storetest.Open(t)
	for _, tt := range []struct{ least, want int64 }{{0, 2}, {3, 3}, {3, 4}, {900, 900}, {1<<19 - 1, 1<<19 - 1}} {
		change, err := eventstore.NewEpoch(t.Context(), db.OwnerURL, tt.least)
		require.NoError(t, err)
		require.Equal(t, tt.want, change.Epoch)
	}
	_, err := eventstore.NewEpoch(t.Context(), db.OwnerURL, 0)
	require.ErrorContains(t, err, "epoch 524288: the last that there is room for is 524287")
	require.Equal(t, []string{"524287"}, column(t, db.Pool(t), "SELECT epoch::text FROM ledger.head"))
}

func TestLeastEpoch(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 3, 1, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		at          time.Time
		known, want int64
	}{
		{at, 0, 49},
		{at, 48, 49},
		{at, 49, 50},
		{at.Add(30 * time.Minute), 0, 50},
		{time.Unix(0, 0), 7, 8},
		{time.Date(2085, 10, 1, 0, 0, 0, 0, time.UTC), 0, 523_752},
	} {
		require.Equal(t, tt.want, eventstore.LeastEpoch(tt.at, tt.known), "%s %d", tt.at, tt.known)
	}
}

const sqlTextKeys = `
SELECT i.indexrelid::regclass || ' ' || a.attname FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attcollation NOT IN (0, '"C"'::regcollation)
WHERE c.relnamespace IN ('ledger'::regnamespace, 'vault'::regnamespace)`

// An update of the system's locales reorders texts: no unique index of ours may depend on one.
func TestNoKeyDependsOnALocale(t *testing.T) {
	t.Parallel()
	_, db := storetest.Open(t)
	rows, err := db.Pool(t).Query(t.Context(), sqlTextKeys)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, found)
}
