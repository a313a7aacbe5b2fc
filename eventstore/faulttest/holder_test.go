package faulttest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// awaitHolder waits until some session holds the head in a transaction that does nothing.
func awaitHolder(t *testing.T, db *pgtest.DB) {
	t.Helper()
	pool := openPool(t, db.SuperURL)
	require.Eventually(t, func() bool {
		var held bool
		err := pool.QueryRow(t.Context(), `SELECT EXISTS (
			SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
			WHERE l.relation = 'ledger.head'::regclass AND l.mode = 'RowShareLock' AND a.state = 'idle in transaction')`).Scan(&held)
		return err == nil && held
	}, patience, 5*time.Millisecond)
}

// holdHead returns a connection that holds the head until it is closed.
func holdHead(t *testing.T, db *pgtest.DB) *pgx.Conn {
	t.Helper()
	holder, err := pgx.Connect(t.Context(), db.SuperURL)
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), "BEGIN; SELECT * FROM ledger.head FOR UPDATE")
	require.NoError(t, err)
	return holder
}

// Somebody holds the head and does nothing: commits are answered with ErrBusy in bounded time, none of them is stored later, and
// all is well when the holder is gone.
func TestIdleHolderOfTheHead(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	const wait = 500 * time.Millisecond
	store := openStore(t, db.AppURL, func(c *eventstore.Config) { c.Patience = wait })
	h := newHistory()
	_, err := h.commit(t.Context(), store, newCommit(newID(), "hot"))
	require.NoError(t, err)

	holder := holdHead(t, db)
	for range 3 {
		start := time.Now()
		_, err = h.commit(t.Context(), store, newCommit(newID(), "hot"))
		require.ErrorIs(t, err, eventstore.ErrBusy)
		require.Less(t, time.Since(start), wait+10*time.Second)
	}
	require.NoError(t, holder.Close(t.Context()))

	require.Eventually(t, func() bool {
		_, err := h.commit(t.Context(), store, newCommit(newID(), "hot"))
		return err == nil
	}, patience, time.Millisecond)
	require.Len(t, checkLog(t, db.AppPool(t), h), 2, "what was answered with ErrBusy is not stored")
	checkLookups(t, store, h, checkLog(t, db.AppPool(t), h))
}
