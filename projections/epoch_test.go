package projections_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// TestNewEpochBuildsAnewWhatSawALostFuture restores a log to before where the projection stands: its rows are of events that are no
// more, under the ids of events that are.
func TestNewEpochBuildsAnewWhatSawALostFuture(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 31)
			pool := l.DB.ProjectorPool(t)
			watcher := checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))
			run := func() *runner {
				return start(t, l, func(c *projections.RunConfig) { c.Projector = p.New() })
			}
			await := func(position int64) {
				reached, err := watcher.Wait(t.Context(), p.Projection, position, patience)
				require.NoError(t, err)
				require.Equal(t, position, reached)
			}
			before := run()
			head := l.Random(t, 60)
			await(head)
			before.stop()
			require.NoError(t, before.wait(t))

			_, err := pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET position = position + 5, hash = decode(repeat('ee', 32), 'hex')
				WHERE projection = $1`, p.Projection.Name)
			require.NoError(t, err)
			change, err := eventstore.NewEpoch(t.Context(), l.DB.OwnerURL, 0)
			require.NoError(t, err)
			require.Contains(t, change.Emptied, fmt.Sprintf("%s/%d", p.Projection.Name, p.Projection.Version))

			run()
			head = l.Random(t, 30)
			await(head)
			requireEqualToReplay(t.Context(), t, p, l.DB.AppPool(t), l.Events(t, 0, int(head)))
		})
	}
}

// TestWatchersHearOfARebuild drops a schema beneath a watcher that knows its checkpoint.
func TestWatchersHearOfARebuild(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 32)
	pool := l.DB.ProjectorPool(t)
	watcher := checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan struct{})
	go func() { defer close(listening); watcher.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-listening })
	serves := func(position int64) func() bool {
		return func() bool {
			reached, err := watcher.Wait(ctx, tables.Projection(), position, 0)
			return err == nil && reached >= position
		}
	}

	head := l.Random(t, 20)
	first := start(t, l)
	waitFor(t, pool, head)
	require.Eventually(t, serves(head), patience, time.Millisecond)
	first.stop()
	require.NoError(t, first.wait(t))
	_, err := pool.Exec(ctx, `DROP SCHEMA tables_v2 CASCADE`)
	require.NoError(t, err)

	resume := make(chan struct{})
	defer close(resume)
	start(t, l, func(c *projections.RunConfig) {
		c.Failpoint = func(at string) {
			if at == "decoded" {
				<-resume
			}
		}
	})
	require.Eventually(t, func() bool { return !serves(head)() }, patience, time.Millisecond, "nothing is built yet")
}
