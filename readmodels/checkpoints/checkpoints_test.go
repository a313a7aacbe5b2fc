package checkpoints_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/readmodels/checkpoints"
)

const patience = 30 * time.Second

type bundle struct {
	pool    *pgxpool.Pool // as the projector
	db      *pgtest.DB
	watcher *checkpoints.Watcher
}

// setup makes a watcher as an API process has it, or one that nobody runs.
func setup(t *testing.T, listening bool) *bundle {
	t.Helper()
	db := pgtest.NewFrom(t, storetest.Template())
	b := &bundle{db: db, pool: db.ProjectorPool(t), watcher: checkpoints.NewWatcher(db.AppPool(t), slog.New(slog.DiscardHandler))}
	if listening {
		run(t, b.watcher)
	}
	return b
}

func run(t *testing.T, w *checkpoints.Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (b *bundle) move(t *testing.T, p checkpoints.Projection, position int64, notify bool) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position) VALUES ($1, $2, $3)
		ON CONFLICT (projection, version) DO UPDATE SET position = $3`, p.Name, p.Version, position)
	require.NoError(t, err)
	if notify {
		_, err = b.pool.Exec(t.Context(), `SELECT pg_notify('checkpoint', $1)`, checkpoints.Notification(p, position))
		require.NoError(t, err)
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	tables, documents := checkpoints.Projection{Name: "tables", Version: 1}, checkpoints.Projection{Name: "documents", Version: 1}
	for name, listening := range map[string]bool{"told": true, "looking for itself": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, listening)
			reached, err := b.watcher.Wait(t.Context(), tables, 1, time.Millisecond)
			require.NoError(t, err)
			require.Zero(t, reached, "it never ran")

			b.move(t, tables, 5, false)
			reached, err = b.watcher.Wait(t.Context(), tables, 5, 0)
			require.NoError(t, err)
			require.Equal(t, int64(5), reached)

			type answer struct {
				reached int64
				err     error
			}
			answers := make(chan answer)
			for range 3 {
				go func() {
					reached, err := b.watcher.Wait(t.Context(), tables, 7, patience)
					answers <- answer{reached, err}
				}()
			}
			b.move(t, documents, 9, listening)
			b.move(t, tables, 6, listening)
			b.move(t, checkpoints.Projection{Name: "tables", Version: 2}, 100, listening)
			select {
			case <-answers:
				require.Fail(t, "it isn't there yet")
			default:
			}
			b.move(t, tables, 8, listening)
			for range 3 {
				require.Equal(t, answer{8, nil}, <-answers)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = b.watcher.Wait(ctx, tables, 100, patience)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// Who is in a hurry is heard in the projection's process, though its own doesn't listen; who just follows asks for nothing.
func TestHurry(t *testing.T) {
	t.Parallel()
	b := setup(t, false)
	projector := checkpoints.NewWatcher(b.pool, slog.New(slog.DiscardHandler))
	run(t, projector)
	tables, documents := checkpoints.Projection{Name: "tables", Version: 1}, checkpoints.Projection{Name: "documents", Version: 1}
	b.move(t, tables, 5, true)
	require.Eventually(t, func() bool { // it listens
		_, err := b.watcher.Hurry(t.Context(), tables, 6, time.Millisecond)
		require.NoError(t, err)
		_, err = b.watcher.Hurry(t.Context(), tables, 6, 50*time.Millisecond)
		require.NoError(t, err)
		return projector.Wanted(tables)
	}, patience, time.Millisecond)
	reached, err := b.watcher.Hurry(t.Context(), tables, 5, patience)
	require.NoError(t, err)
	require.Equal(t, int64(5), reached)
	_, err = b.watcher.Wait(t.Context(), documents, 6, 50*time.Millisecond)
	require.NoError(t, err)
	_, err = b.watcher.Hurry(t.Context(), tables, 6, 150*time.Millisecond) // told behind it
	require.NoError(t, err)
	require.False(t, projector.Wanted(documents))
}

// TestLostConnectionIsMadeAgain: after a lost connection nothing that was known counts, and news come in again.
func TestLostConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, true)
	tables := checkpoints.Projection{Name: "tables", Version: 1}
	super, err := pgxpool.New(t.Context(), b.db.SuperURL)
	require.NoError(t, err)
	t.Cleanup(super.Close)
	listeners := func() (n int) {
		err := super.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`).Scan(&n)
		require.NoError(t, err)
		return n
	}
	b.move(t, tables, 9, true)
	_, err = b.watcher.Wait(t.Context(), tables, 9, patience)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return listeners() == 1 }, patience, 5*time.Millisecond)
	_, err = super.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	require.NoError(t, err)
	b.move(t, tables, 3, false) // a restore
	require.Eventually(t, func() bool {
		reached, err := b.watcher.Wait(t.Context(), tables, 9, 0)
		return err == nil && reached == 3
	}, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool { return listeners() == 1 }, patience, 5*time.Millisecond)
	b.move(t, tables, 10, true)
	reached, err := b.watcher.Wait(t.Context(), tables, 10, patience)
	require.NoError(t, err)
	require.Equal(t, int64(10), reached)
}
