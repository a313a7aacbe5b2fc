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

// Who gives way waits while most batches had waited, and no longer than its deadline.
func TestGivingWay(t *testing.T) {
	t.Parallel()
	const every = 10 * time.Millisecond
	slow, quick := "7 4000 8", "7 3999 8"
	for name, c := range map[string]struct {
		batches []string // one after the other, again and again
		gives   bool
	}{
		"slow batches":         {[]string{slow}, true},
		"most are slow":        {[]string{slow, slow, quick}, true},
		"most are not":         {[]string{slow, quick, quick}, false},
		"few callers":          {[]string{"7 900000 7"}, false},
		"a writer that is old": {[]string{"7"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := NewWaker(nil, slog.New(slog.DiscardHandler))
				var wanted func() bool
				waited := func(allowed time.Duration) time.Duration {
					began := time.Now()
					w.GiveWay(t.Context(), began, allowed, wanted)
					return time.Since(began)
				}
				for i := range 100 {
					time.Sleep(every)
					w.note(c.batches[i%len(c.batches)])
				}
				require.Zero(t, waited(0))
				if !c.gives {
					require.Zero(t, waited(time.Hour))
					return
				}
				require.Equal(t, 3*giveWayStep, waited(3*giveWayStep))
				began := time.Now()
				wanted = func() bool { return time.Since(began) >= 6*giveWayStep }
				require.Equal(t, 6*giveWayStep, waited(time.Hour), "somebody wants it")
				wanted = nil
				w.note(slow)
				require.Equal(t, peakSilence, waited(time.Hour), "no batches any more")
				for range peakMoment / every {
					time.Sleep(every)
					w.note(quick)
				}
				require.Equal(t, giveWayStep, waited(giveWayStep), "it gives way, which is why they are quick")
				for range 2 * peakMoment / every {
					time.Sleep(every)
					w.note(quick)
				}
				require.Zero(t, waited(time.Hour), "quick ones only")
			})
		})
	}
}

// One slow batch is no peak, be it the first after a long silence.
func TestOneSlowBatchIsNoPeak(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWaker(nil, slog.New(slog.DiscardHandler))
		time.Sleep(time.Hour)
		w.note("7 900000 64")
		began := time.Now()
		w.GiveWay(t.Context(), began, time.Hour, nil)
		require.Zero(t, time.Since(began))
	})
}
