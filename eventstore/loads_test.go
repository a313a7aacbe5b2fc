package eventstore

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// heldLoads is loads whose queries stand still until they are let go. A query for the stream "bad" fails.
type heldLoads struct {
	loads
	begun chan []streamNews
	pass  chan struct{}
}

func newHeldLoads() *heldLoads {
	h := &heldLoads{begun: make(chan []streamNews), pass: make(chan struct{})}
	h.query = func(_ context.Context, wanted []streamNews) ([]news, error) {
		h.begun <- wanted
		<-h.pass
		found := make([]news, len(wanted))
		for i, w := range wanted {
			if w.id.Name == "bad" {
				return nil, ErrStored
			}
			found[i].subject = w.id.Name
		}
		return found, nil
	}
	return h
}

func (h *heldLoads) goRead(ctx context.Context, readers *sync.WaitGroup, check func([]news, error), names ...string) {
	wanted := make([]streamNews, len(names))
	for i, name := range names {
		wanted[i].id.Name = name
	}
	readers.Go(func() { check(h.read(ctx, wanted)) })
}

// await returns once n callers wait for a query to begin.
func (h *heldLoads) await(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.waiting) == n
	}, wakeTimeout, time.Millisecond)
}

func TestLoadsOfOneMomentAreOneQuery(t *testing.T) {
	t.Parallel()
	h := newHeldLoads()
	var readers sync.WaitGroup
	finds := func(names ...string) func([]news, error) {
		return func(found []news, err error) {
			require.NoError(t, err)
			require.Len(t, found, len(names))
			for i, name := range names {
				require.Equal(t, name, found[i].subject)
			}
		}
	}
	for range parallelLoads {
		h.goRead(t.Context(), &readers, finds("first"), "first")
		<-h.begun
	}
	h.goRead(t.Context(), &readers, finds("three", "four"), "three", "four")
	h.await(t, 1)
	h.goRead(t.Context(), &readers, func(_ []news, err error) { require.ErrorIs(t, err, ErrStored) }, "bad")
	h.await(t, 2)
	gone, leave := context.WithCancel(t.Context())
	h.goRead(gone, &readers, func(_ []news, err error) { require.ErrorIs(t, err, context.Canceled) }, "five")
	h.await(t, 3)
	leave()
	h.goRead(t.Context(), &readers, finds("six"), "six")
	h.await(t, 4)
	h.pass <- struct{}{}
	require.Len(t, <-h.begun, 4, "all that waited, but for who has left")
	for range parallelLoads {
		h.pass <- struct{}{} // the other first ones, and the group, which fails
	}
	alone := <-h.begun
	h.pass <- struct{}{}
	require.Len(t, alone, 2, "then each caller's own")
	for range 2 {
		<-h.begun
		h.pass <- struct{}{}
	}
	readers.Wait()
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.running == 0
	}, wakeTimeout, time.Millisecond, "they end when nobody waits")
}

// Who comes while a query is under way is part of the next one, unless it takes too long.
func TestLoadsWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHeldLoads()
		var readers sync.WaitGroup
		found := func(_ []news, err error) { require.NoError(t, err) }
		h.goRead(t.Context(), &readers, found, "first")
		<-h.begun
		h.goRead(t.Context(), &readers, found, "second")
		h.goRead(t.Context(), &readers, found, "third")
		synctest.Wait()
		h.pass <- struct{}{}
		require.Len(t, <-h.begun, 2, "one query for both")
		began := time.Now()
		h.goRead(t.Context(), &readers, found, "fourth")
		require.Len(t, <-h.begun, 1)
		require.Equal(t, loadPatience, time.Since(began))
		h.pass <- struct{}{}
		h.pass <- struct{}{}
		readers.Wait()
	})
}
