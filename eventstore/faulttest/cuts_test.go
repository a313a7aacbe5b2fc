package faulttest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// The connection is lost around COMMIT, again and again: every commit is stored once, and its caller gets the answer of the decision
// that was stored, as if nothing had happened.
func TestConnectionIsCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cut{"before COMMIT": cutBefore, "after COMMIT": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.NewFrom(t, storetest.Template())
			p, url := startProxy(t, db.AppURL)
			store := openStore(t, url)
			h := newHistory()
			for round := range 4 {
				commitTogether(t, db, store, h, fmt.Sprint(round), 8, func() { p.arm(c, round%2) })
				require.Equal(t, c, <-p.done)
			}
			require.EqualValues(t, 4, store.Stats().Repeated)
			require.Empty(t, h.refused)
			checkLookups(t, store, h, checkLog(t, db.AppPool(t), h))
		})
	}
}

// The same around the COMMIT of a batch that is written unread.
func TestConnectionIsCutUnread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cut{"before COMMIT": cutBefore, "after COMMIT": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.NewFrom(t, storetest.Template())
			p, url := startProxy(t, db.AppURL)
			store := openStore(t, url)
			h := newHistory()
			for round := range 3 {
				for unread := store.Stats().Unread; store.Stats().Unread == unread; {
					_, err := h.commit(t.Context(), store, newCommit(newID(), "hot"))
					require.NoError(t, err)
				}
				p.arm(c, 0)
				commit := newCommit(newID(), "hot", fmt.Sprint("own-", round))
				result, err := h.commit(t.Context(), store, commit)
				require.NoError(t, err)
				require.Equal(t, c, <-p.done)
				require.False(t, result.Replayed, "it was this call that stored it")
				require.Equal(t, commit.ID[:], result.Answer.Body)
			}
			require.EqualValues(t, 3, store.Stats().Repeated)
			require.Zero(t, store.Stats().Mistaken)
			require.Empty(t, h.refused)
			checkLookups(t, store, h, checkLog(t, db.AppPool(t), h))
		})
	}
}

// The worst case: the connection is lost, and the old backend gets its COMMIT only after the store has come back to ask. It must not
// believe that the commit is absent before the head is free.
func TestCommitThatArrivesLate(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	p, url := startProxy(t, db.AppURL)
	store := openStore(t, url)
	h := newHistory()
	_, err := h.commit(t.Context(), store, newCommit(newID(), "hot"))
	require.NoError(t, err)

	var working sync.WaitGroup
	working.Go(func() { commitTogether(t, db, store, h, "late", 1, func() { p.arm(cutDelay, 0) }) })
	require.Equal(t, cutDelay, <-p.done)
	// The driver sends a cancellation when its connection breaks: that must find the old backend done with all but COMMIT.
	await(t, db, "wait_event = 'ClientRead' AND query LIKE '%UPDATE ledger.head%'")
	p.release <- struct{}{}
	await(t, db, "cardinality(pg_blocking_pids(pid)) > 0")
	p.release <- struct{}{}
	working.Wait()
	require.EqualValues(t, 1, store.Stats().Repeated)
	require.Empty(t, h.refused)
	require.Len(t, checkLog(t, db.AppPool(t), h), 2)
	checkLookups(t, store, h, checkLog(t, db.AppPool(t), h))
}

// commitTogether commits n commands at once, the first in a batch of its own and the others together in the next, and looks at the
// answers. It calls fault when all of them are on their way.
func commitTogether(t *testing.T, db *pgtest.DB, store *eventstore.Store, h *history, name string, n int, fault func()) {
	t.Helper()
	holder := holdHead(t, db)
	var committing sync.WaitGroup
	results, errs := make([]eventstore.Result, n), make([]error, n)
	commits := make([]eventstore.Commit, n)
	for i := range n {
		commits[i] = newCommit(newID(), "hot", fmt.Sprintf("own-%s-%d", name, i))
		committing.Go(func() { results[i], errs[i] = h.commit(t.Context(), store, commits[i]) })
		if i == 0 {
			await(t, db, "cardinality(pg_blocking_pids(pid)) > 0")
		}
	}
	require.Eventually(t, func() bool { return store.Stats().Waiting == n-1 }, patience, time.Millisecond)
	fault()
	require.NoError(t, holder.Close(t.Context()))
	committing.Wait()
	for i, result := range results {
		require.NoError(t, errs[i])
		require.False(t, result.Replayed, "it was this call that stored it")
		require.Equal(t, commits[i].ID[:], result.Answer.Body)
		require.Equal(t, result.Last, result.Head)
		stored, err := store.Lookup(t.Context(), commits[i].ID)
		require.NoError(t, err)
		require.Equal(t, [2]int64{result.First, result.Last}, [2]int64{stored.First, stored.Last})
	}
}

// await waits until a session of the database's writers is in some state.
func await(t *testing.T, db *pgtest.DB, state string) {
	t.Helper()
	pool := openPool(t, db.SuperURL)
	require.Eventually(t, func() bool {
		var is bool
		err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'payledger writer' AND `+state+")").Scan(&is)
		return err == nil && is
	}, patience, 5*time.Millisecond)
}
