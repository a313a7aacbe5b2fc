package eventstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// ahead commits c in a batch that is decided while the one with moving is written, which waits for that.
func (a *alone) ahead(moving, c eventstore.Commit) storetest.Outcome {
	a.t.Helper()
	a.hooks.Store(eventstore.FailHead, a.untilTaken)
	return a.inOrder(moving, storetest.Add("fill", 1), storetest.Add("fill", 1), c)
}

// untilTaken waits until no commit waits for the writer.
func (a *alone) untilTaken() {
	for a.store.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
}

// What is decided while the batch before is written sees all that this one does.
func TestBatchesAreDecidedAhead(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(*alone){
		"a stream that is read only": func(a *alone) {
			require.NoError(a.t, a.ahead(addBoth("a", "z"), copySum("z", "b")).Err)
			require.EqualValues(a.t, 1, a.sum("b"))
		},
		"a stream that is appended to": func(a *alone) {
			require.NoError(a.t, a.ahead(storetest.Add("a", 1), addUpTo("a", 1, 5)).Err)
			require.EqualValues(a.t, 5, a.sum("a"))
		},
		"a stream that is new": func(a *alone) {
			require.NoError(a.t, a.ahead(storetest.Add("new", 1), addUpTo("new", 1, 2)).Err)
			require.EqualValues(a.t, 2, a.sum("new"))
		},
		"a refusal": func(a *alone) {
			out := a.ahead(storetest.Add("a", 1), addUpTo("a", 1, 4))
			require.ErrorIs(a.t, out.Err, errTooMuch)
			require.EqualValues(a.t, 3+3, out.Result.Head)
		},
		"a find of a watch": func(a *alone) {
			var seen []string
			require.NoError(a.t, a.ahead(addAbout("fee-1", "m", 7), sumOfMember(0, &seen)).Err)
			require.Equal(a.t, []string{"fee-1"}, seen)
			require.EqualValues(a.t, 7, a.sum("total"))
		},
		"a find of a watch that was found before": func(a *alone) {
			var seen []string
			require.NoError(a.t, a.commit(addAbout("fee-1", "m", 7)))
			require.NoError(a.t, a.ahead(addAbout("fee-1", "m", 7), sumOfMember(0, &seen)).Err)
			require.Equal(a.t, []string{"fee-1"}, seen)
			require.EqualValues(a.t, 14, a.sum("total"))
		},
		"a repeated commit": func(a *alone) {
			c := addUpTo("a", 1, 4)
			out := a.ahead(c, c)
			require.NoError(a.t, out.Err)
			require.True(a.t, out.Result.Replayed)
			require.EqualValues(a.t, 4, out.Result.Last)
			require.EqualValues(a.t, 4, a.sum("a"))
		},
		"a repeated claim": func(a *alone) {
			c := addUpTo("a", 1, 4)
			c.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Subject: "s", Key: "k"}
			decide := c.Decide
			c.Decide = func(v eventstore.View) (eventstore.Decision, error) {
				d, err := decide(v)
				d.Answer = &eventstore.Answer{Status: 201, Body: []byte("first")}
				return d, err
			}
			again := c
			again.ID = uuid.Must(uuid.NewV7())
			out := a.ahead(c, again)
			require.NoError(a.t, out.Err)
			require.True(a.t, out.Result.Replayed)
			require.Equal(a.t, "first", string(out.Result.Answer.Body))
			require.EqualValues(a.t, 4, a.sum("a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := openAlone(t)
			before := a.store.Stats()
			try(a)
			after := a.store.Stats()
			require.EqualValues(t, 1, after.Ahead-before.Ahead)
			require.Zero(t, after.Mistaken)
			require.Equal(t, after.Batches-before.Batches-1, after.Unread-before.Unread, "all but what held the writer")
			storetest.Verify(t, a.db)
		})
	}
}

// What was decided ahead is decided again, or read first, when it can't be sent as it is.
func TestWhatWasDecidedAheadIsDecidedAgain(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(*alone){
		"the batch before is mistaken": func(a *alone) {
			rival := storetest.OpenOn(a.t, a.db)
			overtaken := make(chan error, 1)
			a.hooks.Store(eventstore.FailAnswered, func() { // what held the writer
				_, err := rival.Commit(context.WithoutCancel(a.t.Context()), storetest.Add("a", 10))
				overtaken <- err
			})
			require.NoError(a.t, a.ahead(storetest.Add("a", 1), addUpTo("a", 1, 15)).Err)
			require.NoError(a.t, <-overtaken)
			require.EqualValues(a.t, 3+10+2, a.sum("a"))
			require.EqualValues(a.t, 1, a.store.Stats().Mistaken)
		},
		"somebody asks what was stored": func(a *alone) {
			a.hooks.Store(eventstore.FailHead, a.untilTaken)
			first := storetest.Add("a", 1)
			release := a.gate.Hold(a.t)
			written := []<-chan storetest.Outcome{a.gate.Start(a.t, first), a.gate.Start(a.t, storetest.Add("fill", 1))}
			found := make(chan error, 1)
			go func() {
				_, err := a.store.Lookup(context.WithoutCancel(a.t.Context()), first.ID)
				found <- err
			}()
			require.Eventually(a.t, func() bool { return a.store.Stats().Waiting == 3 }, time.Minute, time.Millisecond)
			release()
			require.NoError(a.t, (<-written[0]).Err)
			require.NoError(a.t, (<-written[1]).Err)
			require.NoError(a.t, <-found)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := openAlone(t)
			try(a)
			require.Zero(t, a.store.Stats().Ahead)
			storetest.Verify(t, a.db)
		})
	}
}

// An answer that was under way for long says little of the server's clock: the next batch is read first.
func TestWhatWasDecidedLongAgoIsDecidedAgain(t *testing.T) {
	t.Parallel()
	const within, long = 400 * time.Millisecond, 600 * time.Millisecond
	a := openAlone(t, func(c *eventstore.Config) { c.ClockWithin = within })
	var written time.Time
	a.hooks.Store(eventstore.FailHead, func() {
		a.untilTaken()
		time.Sleep(long)
		written = time.Now()
	})
	require.NoError(t, a.inOrder(storetest.Add("a", 1), storetest.Add("fill", 1), storetest.Add("a", 1)).Err)
	require.Zero(t, a.store.Stats().Ahead)
	events, err := eventstore.NewReader(a.db.AppPool(t)).ReadAll(t.Context(), 5, 1)
	require.NoError(t, err)
	require.WithinRange(t, events[0].RecordedAt, written.Truncate(time.Microsecond), time.Now(), "both clocks are this machine's")
}

// Closing a store writes what was collected already.
func TestCloseWritesWhatWasDecidedAhead(t *testing.T) {
	t.Parallel()
	a := openAlone(t)
	closed := make(chan struct{})
	a.hooks.Store(eventstore.FailHead, func() {
		a.untilTaken()
		go func() {
			a.store.Close()
			close(closed)
		}()
		for !errors.Is(a.commitLate(), eventstore.ErrClosed) {
			time.Sleep(time.Millisecond)
		}
	})
	require.NoError(t, a.inOrder(storetest.Add("a", 1), storetest.Add("a", 1), storetest.Add("a", 1)).Err)
	<-closed
	require.EqualValues(t, 1, a.store.Stats().Ahead)
	storetest.Verify(t, a.db)
}

// commitLate tries to commit for a moment.
func (a *alone) commitLate() error {
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Millisecond)
	defer cancel()
	_, err := a.store.Commit(ctx, storetest.Add("late", 1))
	return err
}
