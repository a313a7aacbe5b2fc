package eventstore

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// wakeTimeout is far above what a notification takes and below nothing that matters.
const wakeTimeout = 30 * time.Second

// startWaker runs a waker that polls so rarely that only notifications can wake a test, and waits until it listens.
func startWaker(t *testing.T, f *fixture, poll time.Duration) *Waker {
	t.Helper()
	w := NewWaker(f.super, slog.New(slog.DiscardHandler))
	w.poll = poll
	first := w.Next()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	waitFor(t, first)
	return w
}

func waitFor(t *testing.T, woken <-chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(wakeTimeout):
		require.FailNow(t, "nobody woke us")
	}
}

func TestWakerWakesAllLoopsAtACommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := startWaker(t, f, time.Hour)
	one, other := w.Next(), w.Next()
	f.store(t, f.events(1, 1))
	waitFor(t, one)
	waitFor(t, other)
}

func TestWakerListensAgainWhenItsConnectionIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := startWaker(t, f, time.Hour)
	again := w.Next()
	var ended int
	err := f.super.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND query = 'LISTEN ledger'`).Scan(&ended)
	require.NoError(t, err)
	require.Equal(t, 1, ended)
	waitFor(t, again) // it wakes everybody as soon as it listens again: something may have been missed
	next := w.Next()
	f.store(t, f.events(1, 1))
	waitFor(t, next)
}

func TestWakerPollsWithoutNotifications(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := startWaker(t, f, time.Millisecond)
	for range 3 {
		waitFor(t, w.Next())
	}
}

// Who gives way waits while commits wait, and no longer than its deadline.
func TestGivingWay(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]time.Duration{
		"7 4000 8": leastPressed, "7 30000 8": 300 * time.Millisecond, "7 900000 8": longestPressed,
		"7 3999 8": 0,
		"7 4000 7": 0,
		"7":        0, // of a writer that doesn't say
	} {
		synctest.Test(t, func(t *testing.T) {
			w := NewWaker(nil, slog.New(slog.DiscardHandler))
			w.note(payload)
			waited := func(allowed time.Duration) time.Duration {
				began := time.Now()
				w.GiveWay(t.Context(), began, allowed)
				return time.Since(began)
			}
			require.Zero(t, waited(0), payload)
			require.Equal(t, min(want, 3*giveWayStep), waited(3*giveWayStep), payload)
			require.Equal(t, max(0, want-3*giveWayStep), waited(time.Hour), payload)
			require.Zero(t, waited(time.Hour), payload)
		})
	}
}
