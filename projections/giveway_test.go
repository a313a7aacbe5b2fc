package projections_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections"
)

// A peak makes full pages. Who goes on behind one until it reaches the end competes with the peak, and may never get there. Unless
// readers wait.
func TestGivesWayBehindFullPages(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 6)
	pool := l.DB.ProjectorPool(t)
	const size = 10
	var peak atomic.Bool
	var first sync.Once
	begun, release := make(chan struct{}), make(chan struct{})
	var wanted atomic.Bool
	start(t, l, func(c *projections.RunConfig) {
		c.BatchSize, c.GiveWay, c.Wanted = size, time.Hour, wanted.Load
		c.Failpoint = func(point string) {
			if point == "applied" && peak.Load() {
				first.Do(func() { close(begun); <-release })
			}
		}
	})
	waitFor(t, pool, l.Random(t, 1)) // not a full page: it has been at the end
	peak.Store(true)
	head := l.Random(t, 20*size)
	<-begun
	stop := press(t, pool, l.Waker)
	close(release)
	time.Sleep(300 * time.Millisecond) // in which it would do all of it
	require.Less(t, readCheckpoint(t, pool).Position, head, "it gives way")
	wanted.Store(true)
	waitFor(t, pool, head) // though the peak goes on
	wanted.Store(false)
	head = l.Random(t, 2*size)
	stop()
	waitFor(t, pool, head)
	requireReplayed(t, l, head)
}

// press tells the waker of commands that wait, until stop is called, and returns when it knows.
func press(t *testing.T, pool *pgxpool.Pool, waker *eventstore.Waker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = pool.Exec(ctx, "SELECT pg_notify('ledger', '0 1000000 1000')") // a batch that had waited a second, of a thousand
			projections.Wait(ctx, 20*time.Millisecond)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	const enough = 50 * time.Millisecond
	require.Eventually(t, func() bool {
		began := time.Now()
		waker.GiveWay(t.Context(), began, enough, nil)
		return time.Since(began) >= enough
	}, patience, time.Millisecond)
	return stop
}
