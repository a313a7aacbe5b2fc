package faulttest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// The connection is lost around COMMIT, again and again: every commit is stored once, and its caller gets the answer of the decision
// that was stored, as if nothing had happened.
func TestConnectionIsCut(t *testing.T) {
	t.Parallel()
	cutInRounds(t, func(t *testing.T, w *cutting, round int) {
		t.Helper()
		commitTogether(t, w.db, w.store, w.history, fmt.Sprint(round), 8, func() { w.proxy.arm(w.cut, round%2) })
	})
}

// The same around the COMMIT of a batch that is written unread.
func TestConnectionIsCutUnread(t *testing.T) {
	t.Parallel()
	cutInRounds(t, func(t *testing.T, w *cutting, round int) {
		t.Helper()
		w.writeUnread(t)
		w.proxy.arm(w.cut, 0)
		commit := newCommit(newID(), "hot", fmt.Sprint("own-", round))
		result, err := w.history.commit(t.Context(), w.store, commit)
		require.NoError(t, err)
		require.False(t, result.Replayed, "it was this call that stored it")
		require.Equal(t, commit.ID[:], result.Answer.Body)
		require.Zero(t, w.store.Stats().Mistaken)
	})
}

// The same while the next batch has been decided on what that one leaves.
func TestConnectionIsCutAhead(t *testing.T) {
	t.Parallel()
	slowly := func(c *eventstore.Config) {
		c.Failpoint = func(name string) {
			if name == eventstore.FailHead {
				time.Sleep(10 * time.Millisecond) // while others come
			}
		}
	}
	cutInRounds(t, func(t *testing.T, w *cutting, round int) {
		t.Helper()
		w.writeUnread(t)
		w.proxy.arm(w.cut, round%2)
		var committing sync.WaitGroup
		var own [8]struct {
			commit eventstore.Commit
			result eventstore.Result
			err    error
		}
		for i := range own {
			c := &own[i]
			c.commit = newCommit(newID(), "hot", fmt.Sprintf("own-%d-%d", round, i))
			committing.Go(func() { c.result, c.err = w.history.commit(t.Context(), w.store, c.commit) })
		}
		committing.Wait()
		for _, c := range own {
			require.NoError(t, c.err)
			require.False(t, c.result.Replayed, "it was this call that stored it")
			require.Equal(t, c.commit.ID[:], c.result.Answer.Body)
		}
		for ahead := w.store.Stats().Ahead; w.store.Stats().Ahead == ahead; {
			w.commitAll(t, 4)
		}
		require.Zero(t, w.store.Stats().Mistaken)
	}, slowly)
}

// writeUnread commits until a batch is written unread.
func (w *cutting) writeUnread(t *testing.T) {
	t.Helper()
	for unread := w.store.Stats().Unread; w.store.Stats().Unread == unread; {
		w.commitAll(t, 1)
	}
}

// commitAll makes n commits at once.
func (w *cutting) commitAll(t *testing.T, n int) {
	t.Helper()
	var committing sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		committing.Go(func() {
			_, err := w.history.commit(t.Context(), w.store, newCommit(newID(), "hot"))
			errs <- err
		})
	}
	committing.Wait()
	for range n {
		require.NoError(t, <-errs)
	}
}

// cutting is a store behind a proxy that cuts its connection.
type cutting struct {
	db      *pgtest.DB
	proxy   *proxy
	store   *eventstore.Store
	history *history
	cut     cut
}

// cutInRounds demands that each round has its connection cut, before and after COMMIT, and that all is stored once.
func cutInRounds(t *testing.T, round func(t *testing.T, w *cutting, n int), change ...func(*eventstore.Config)) {
	t.Helper()
	const rounds = 4
	for name, c := range map[string]cut{"before COMMIT": cutBefore, "after COMMIT": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &cutting{db: pgtest.NewFrom(t, storetest.Template()), history: newHistory(), cut: c}
			var url string
			w.proxy, url = startProxy(t, w.db.AppURL)
			w.store = openStore(t, url, change...)
			for n := range rounds {
				round(t, w, n)
				require.Equal(t, c, <-w.proxy.done)
			}
			require.EqualValues(t, rounds, w.store.Stats().Repeated)
			require.Empty(t, w.history.refused)
			checkLookups(t, w.store, w.history, checkLog(t, w.db.AppPool(t), w.history))
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

var errLate = errors.New("too late")

// A batch that is written unread is delayed as a whole, COMMIT and all, and given up. Once its caller was told that it isn't there, it
// must not come to the log any more.
func TestUnreadBatchThatArrivesLate(t *testing.T) {
	t.Parallel()
	lookup := func(s *eventstore.Store, id uuid.UUID) error {
		_, err := s.Lookup(t.Context(), id)
		return err
	}
	refuse := func(s *eventstore.Store, _ uuid.UUID) error {
		_, err := s.Commit(t.Context(), storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{}, errLate
		}, "hot"))
		return err
	}
	for name, test := range map[string]struct {
		ask  func(*eventstore.Store, uuid.UUID) error
		from func(w *cutting, other *eventstore.Store) *eventstore.Store
		want error
	}{
		"the caller asks":              {lookup, func(w *cutting, _ *eventstore.Store) *eventstore.Store { return w.store }, eventstore.ErrCommitNotFound},
		"the caller asks elsewhere":    {lookup, func(_ *cutting, other *eventstore.Store) *eventstore.Store { return other }, eventstore.ErrCommitNotFound},
		"the next is refused":          {refuse, func(w *cutting, _ *eventstore.Store) *eventstore.Store { return w.store }, errLate},
		"a new process refuses a next": {refuse, func(w *cutting, _ *eventstore.Store) *eventstore.Store { return openStore(t, w.db.AppURL) }, errLate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &cutting{db: pgtest.NewFrom(t, storetest.Template()), history: newHistory()}
			var url string
			w.proxy, url = startProxy(t, w.db.AppURL)
			w.store = openStore(t, url, func(c *eventstore.Config) { c.Patience, c.ClockWithin = time.Second, time.Minute })
			other := openStore(t, w.db.AppURL)
			_, err := w.history.commit(t.Context(), other, newCommit(newID(), "hot"))
			require.NoError(t, err)
			w.writeUnread(t)
			w.proxy.arm(cutDelayAll, 0)
			late := newCommit(newID(), "hot")
			_, err = w.store.Commit(t.Context(), late)
			require.ErrorIs(t, err, eventstore.ErrBusy)
			require.Equal(t, cutDelayAll, <-w.proxy.done)
			require.ErrorIs(t, test.ask(test.from(w, other), late.ID), test.want)
			w.proxy.release <- struct{}{}
			w.proxy.release <- struct{}{}
			await(t, w.db, "state = 'idle in transaction (aborted)'")
			require.ErrorIs(t, lookup(other, late.ID), eventstore.ErrCommitNotFound)
			checkLog(t, w.db.AppPool(t), w.history)
		})
	}
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
