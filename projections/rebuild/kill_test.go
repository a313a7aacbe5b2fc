package rebuild_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/projections/rebuild"
)

// Settings of the process that is killed: the database, the projection, and the point at which it dies.
const (
	childURL    = "REBUILD_TEST_URL"
	childAppURL = "REBUILD_TEST_APP_URL"
	childName   = "REBUILD_TEST_PROJECTION"
	childPoint  = "REBUILD_TEST_POINT"
)

// TestChild is no test by itself: it is the process that TestKilledAtEveryStage kills.
func TestChild(t *testing.T) {
	t.Parallel()
	if os.Getenv(childURL) == "" {
		return
	}
	pool, err := pgxpool.New(t.Context(), os.Getenv(childURL))
	require.NoError(t, err)
	defer pool.Close()
	cfg := rebuild.Config{
		Pool: pool, Reader: eventstore.NewReader(pool), Catalog: catalog.New(), Keys: eventstore.OpenVault(pool, [32]byte{1}), Code: "this", Now: time.Now, MaxStreams: 20, PageRows: 50, BatchEvents: 100,
	}
	store, err := eventstore.Open(t.Context(), eventstore.Config{
		URL: os.Getenv(childAppURL), Folder: noState{}, Keys: cfg.Keys, Logger: slog.New(slog.DiscardHandler), MaxConns: 1,
	})
	require.NoError(t, err)
	defer store.Close()
	cfg.Certify = certifier(store, cfg.Catalog)
	for _, p := range projections.All() {
		if p.Projection.Name == os.Getenv(childName) {
			cfg.Projection = p
		}
	}
	var passed atomic.Int64
	cfg.Failpoint = func(point string) {
		if point == os.Getenv(childPoint) && passed.Add(1) == 1 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	_, err = rebuild.Run(t.Context(), cfg)
	require.NoError(t, err)
}

// noState is a folder for a store whose decisions look at versions only.
type noState struct{}

func (noState) Fold(context.Context, eventstore.Keys, eventstore.StreamID, any, []eventstore.Recorded) (any, error) {
	return struct{}{}, nil
}

// TestKilledAtEveryStage kills the process that rebuilds with SIGKILL at each stage, one after the other, while the projector goes on: the live
// read model is whole each time, and the last process, which isn't killed, completes what the others began.
func TestKilledAtEveryStage(t *testing.T) {
	t.Parallel()
	each(t, 71, func(t *testing.T, w *world) {
		t.Helper()
		for _, point := range append(w.points(), "") {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
			child.Env = append(os.Environ(), childURL+"="+w.DB.ProjectorURL, childAppURL+"="+w.DB.AppURL, childName+"="+w.p.Projection.Name, childPoint+"="+point)
			out, err := child.CombinedOutput()
			cancel()
			if point == "" {
				require.NoError(t, err, "%s", out)
			} else {
				exit, ok := errors.AsType[*exec.ExitError](err)
				require.True(t, ok, "%s: %v: %s", point, err, out)
				status, ok := exit.Sys().(syscall.WaitStatus)
				require.True(t, ok)
				require.Equal(t, syscall.SIGKILL, status.Signal(), "%s: %s", point, out)
			}
			w.reaches(t, w.Random(t, 5))
			w.whole(t)
			require.Eventually(t, func() bool { return w.unlocked(t) }, patience, 10*time.Millisecond, "the server lets the dead process go")
		}
		require.True(t, w.exists(t, w.schema+"_old"))
		all, _ := w.certificates(t)
		require.Len(t, all, 1)
		require.Equal(t, all[0].Digest, w.replayed(t, int64(all[0].Position)).String())
	})
}

// unlocked reports whether nobody rebuilds any more.
func (w *world) unlocked(t *testing.T) bool {
	t.Helper()
	var n int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&n))
	return n == 0
}
