package faulttest

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// stored is what the log holds of one commit.
type stored struct {
	events, routes, claims int64
	first, last            int64
}

// checkLog demands that the log is intact, holds each acknowledged commit exactly once and as it was acknowledged, each other one
// whole or not at all, nothing else, and that the counters in all streams count.
func checkLog(t *testing.T, pool *pgxpool.Pool, h *history) map[uuid.UUID]*stored {
	t.Helper()
	reader := eventstore.NewReader(pool)
	report, err := eventstore.Verify(t.Context(), reader, eventstore.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, report.OK, "position %d: %s", report.FirstBadPosition, report.Problem)

	found := readCommits(t, reader)
	require.Len(t, found, countRows(t, pool, "ledger.commits"))
	readBeside(t, pool, found, report.Head)
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, s := range found {
		require.Contains(t, h.attempts, id, "nobody intended this commit")
		events := h.attempts[id].events
		require.Equal(t, stored{events: events, routes: 1, claims: 1, first: s.first, last: s.first + events - 1}, *s, "commit %s", id)
	}
	for id, a := range h.attempts {
		if a.acked {
			require.Contains(t, found, id, "an acknowledged commit is lost")
			require.Equal(t, [2]int64{a.first, a.last}, [2]int64{found[id].first, found[id].last})
		}
	}
	return found
}

// readCommits groups the events of the log by commit, and checks that each stream counts 1, 2, 3.
func readCommits(t *testing.T, reader *eventstore.Reader) map[uuid.UUID]*stored {
	t.Helper()
	found := make(map[uuid.UUID]*stored)
	for after := int64(0); ; {
		events, err := reader.ReadAll(t.Context(), after, 5_000)
		require.NoError(t, err)
		if len(events) == 0 {
			return found
		}
		for _, e := range events {
			require.Equal(t, strconv.FormatInt(e.Version, 10), string(e.Data), "stream %s at position %d", e.Stream, e.Position)
			s := found[e.CommitID]
			if s == nil {
				s = &stored{first: e.Position}
				found[e.CommitID] = s
			}
			s.events++
			s.last = e.Position
		}
		after = events[len(events)-1].Position
	}
}

func readBeside(t *testing.T, pool *pgxpool.Pool, found map[uuid.UUID]*stored, head eventstore.Head) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT commit_id, number FROM ledger.route_events ORDER BY number")
	require.NoError(t, err)
	var id uuid.UUID
	var number, want int64
	_, err = pgx.ForEachRow(rows, []any{&id, &number}, func() error {
		want++
		require.Equal(t, want, number, "route numbers are dense")
		require.Contains(t, found, id)
		found[id].routes++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, head.Route)
	rows, err = pool.Query(t.Context(), "SELECT commit_id FROM ledger.idempotency WHERE answered_at IS NOT NULL AND key = commit_id::text")
	require.NoError(t, err)
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		require.Contains(t, found, id)
		found[id].claims++
		return nil
	})
	require.NoError(t, err)
}

func countRows(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// checkLookups asks a store about every commit that was not acknowledged, and about one that was: its answers must be the log.
func checkLookups(t *testing.T, store *eventstore.Store, h *history, found map[uuid.UUID]*stored) {
	t.Helper()
	ids := h.unacknowledged()
	for id := range found {
		ids = append(ids, id)
		break
	}
	for _, id := range ids {
		result, err := store.Lookup(t.Context(), id)
		if s := found[id]; s != nil {
			require.NoError(t, err)
			require.Equal(t, [2]int64{s.first, s.last}, [2]int64{result.First, result.Last})
		} else {
			require.ErrorIs(t, err, eventstore.ErrCommitNotFound)
		}
	}
}

// again commits once more what was not acknowledged, with the same ids, as a caller does: what is stored is answered, not repeated.
func again(t *testing.T, store *eventstore.Store, h *history, found map[uuid.UUID]*stored) {
	t.Helper()
	for _, id := range h.unacknowledged() {
		streams := []string{"again"}
		h.mu.Lock()
		if found[id] == nil {
			h.attempts[id].events = 1
		}
		h.mu.Unlock()
		result, err := store.Commit(t.Context(), newCommit(id, streams...))
		require.NoError(t, err)
		require.Equal(t, found[id] != nil, result.Replayed)
		require.Equal(t, id[:], result.Answer.Body)
		h.acknowledge(id, result.First, result.Last)
	}
}

// openStore opens a store on a URL until the test ends.
func openStore(t *testing.T, url string, change ...func(*eventstore.Config)) *eventstore.Store {
	t.Helper()
	config := eventstore.Config{URL: url, Folder: storetest.Folder{}}
	for _, fn := range change {
		fn(&config)
	}
	store, err := eventstore.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
