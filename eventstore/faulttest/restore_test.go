package faulttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/pgserver"
)

// A dump is restored, a new epoch begun, and the log gone on with: positions continue where the dump ends, what came after it is gone
// for good, and the new epoch is part of every new hash.
func TestRestoredDumpIsGoneOnWith(t *testing.T) {
	t.Parallel()
	old := pgtest.NewFrom(t, storetest.Template())
	h, lost := newHistory(), newHistory()
	store := openStore(t, old.AppURL)
	for range 20 {
		_, err := h.commit(t.Context(), store, newCommit(newID(), "hot", "other"))
		require.NoError(t, err)
	}
	dump := filepath.Join(t.TempDir(), "log.sql")
	runTool(t, "pg_dump", "-f", dump, old.SuperURL)
	for range 5 {
		_, err := lost.commit(t.Context(), store, newCommit(newID(), "hot"))
		require.NoError(t, err)
	}

	restored := pgtest.New(t)
	runTool(t, "psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", dump, "-o", os.DevNull, restored.SuperURL)
	change, err := eventstore.NewEpoch(t.Context(), restored.OwnerURL, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, change.Epoch)

	checkLog(t, restored.AppPool(t), h)
	store = openStore(t, restored.AppURL)
	for id := range lost.attempts {
		_, err := store.Lookup(t.Context(), id)
		require.ErrorIs(t, err, eventstore.ErrCommitNotFound)
	}
	for range 7 {
		_, err := h.commit(t.Context(), store, newCommit(newID(), "hot", "other"))
		require.NoError(t, err)
	}
	checkLog(t, restored.AppPool(t), h)

	reader := eventstore.NewReader(restored.AppPool(t))
	events, err := reader.ReadAll(t.Context(), 40, 100)
	require.NoError(t, err)
	require.Len(t, events, 14)
	for _, e := range events {
		require.EqualValues(t, 2, e.Epoch)
	}
	others, err := eventstore.NewReader(old.AppPool(t)).ReadAll(t.Context(), 40, 1)
	require.NoError(t, err)
	require.Equal(t, events[0].Position, others[0].Position)
	require.NotEqual(t, events[0].Hash, others[0].Hash, "a projection sees by the hash that this is another history")

	// The epoch can't be denied later.
	_, err = openPool(t, restored.SuperURL).Exec(t.Context(), "SET session_replication_role = replica; UPDATE ledger.events SET epoch = 1")
	require.NoError(t, err)
	report, err := eventstore.Verify(t.Context(), reader, eventstore.VerifyOptions{})
	require.NoError(t, err)
	require.False(t, report.OK)
	require.EqualValues(t, 41, report.FirstBadPosition)
}

// runTool runs a client program of Postgres: from beside the server if it is there, else from PATH.
func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	dir, err := pgserver.FindBinaries(t.Context())
	require.NoError(t, err)
	path, err := exec.LookPath(filepath.Join(dir, name))
	if err != nil {
		path, err = exec.LookPath(name)
	}
	require.NoError(t, err, "the client programs of Postgres are needed")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)
}
