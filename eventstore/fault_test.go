package eventstore_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

func TestAFullQueueAnswersAtOnce(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t, func(c *eventstore.Config) { c.MaxWaiting = 2 })
	release := gate.Hold(t)
	one, two := gate.Start(t, storetest.Add("a", 1)), gate.Start(t, storetest.Add("a", 1))
	_, err := store.Commit(t.Context(), storetest.Add("a", 1))
	require.ErrorIs(t, err, eventstore.ErrBusy)
	release()
	require.NoError(t, (<-one).Err)
	require.NoError(t, (<-two).Err)
}

func TestACommitGivenUpWhileItWaitsIsNotStored(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	release := gate.Hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := storetest.Add("a", 1)
	out := gate.StartContext(ctx, t, c)
	cancel()
	require.ErrorIs(t, (<-out).Err, context.Canceled)
	release()
	_, err := store.Lookup(t.Context(), c.ID)
	require.ErrorIs(t, err, eventstore.ErrCommitNotFound)
	state, err := store.Load(t.Context(), storetest.Stream("a"))
	require.NoError(t, err)
	require.Zero(t, state)
}

func TestACommitGivenUpWhileItIsWrittenCanBeLookedUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	store, _ := storetest.Open(t, func(c *eventstore.Config) {
		c.Failpoint = func(name string) {
			if name == eventstore.FailLocked && ctx.Err() == nil {
				cancel()
				<-left // the writer goes on when the caller has gone
			}
		}
	})
	c := storetest.Add("a", 1)
	_, err := store.Commit(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	close(left)
	result, err := store.Lookup(t.Context(), c.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Last)
}

func TestCloseWritesWhatWaits(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	release := gate.Hold(t)
	out := gate.Start(t, storetest.Add("a", 1))
	closed := make(chan struct{})
	go func() {
		store.Close()
		close(closed)
	}()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool {
		_, err := store.Lookup(gone, storetest.Add("a", 1).ID)
		return errors.Is(err, eventstore.ErrClosed)
	}, time.Minute, time.Millisecond)
	release()
	require.NoError(t, (<-out).Err)
	<-closed
	_, err := store.Commit(t.Context(), storetest.Commit(func(eventstore.View) (eventstore.Decision, error) { return eventstore.Decision{}, nil }))
	require.ErrorIs(t, err, eventstore.ErrClosed)
}

// killWriter ends the backends of the writers of a database, and returns when they are gone.
func killWriter(ctx context.Context, t *testing.T, super *pgxpool.Pool) {
	t.Helper()
	_, err := super.Exec(ctx, `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE application_name = 'payledger writer' AND datname = current_database()`)
	require.NoError(t, err)
}

func TestALostConnectionIsNotNoticed(t *testing.T) {
	t.Parallel()
	for _, name := range eventstore.Failpoints() {
		if name == eventstore.FailReconnected || name == eventstore.FailErase {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.NewFrom(t, storetest.Template())
			super, err := pgxpool.New(t.Context(), db.SuperURL)
			require.NoError(t, err)
			defer super.Close()
			_, err = storetest.OpenOn(t, db).Commit(t.Context(), storetest.Add("a", 1))
			require.NoError(t, err)
			var passed atomic.Int32
			store := storetest.OpenOn(t, db, func(c *eventstore.Config) {
				c.Failpoint = func(point string) {
					if point == name && passed.Add(1) == 1 {
						killWriter(context.WithoutCancel(t.Context()), t, super)
					}
				}
			})
			c := claimed("k", "request", "one")
			c.New = []eventstore.StreamID{storetest.Stream("a")} // wrong, so there is news
			result, err := store.Commit(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, eventstore.Result{First: 2, Last: 2, Head: 2, Answer: eventstore.Answer{
				Status: 201, ETag: `"0"`, Body: []byte("one"), Salt: []byte("salt"),
			}}, result)
			after, err := store.Commit(t.Context(), storetest.Add("a", 1))
			require.NoError(t, err)
			require.EqualValues(t, 3, after.Last)
			require.NotZero(t, passed.Load())
			state, err := store.Load(t.Context(), storetest.Stream("a"))
			require.NoError(t, err)
			require.Equal(t, storetest.State{Count: 3, Sum: 3}, state.Value)
			storetest.Verify(t, db)
		})
	}
}

func TestPatienceEndsWithErrBusy(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t, func(c *eventstore.Config) { c.Patience = 300 * time.Millisecond })
	super, err := pgxpool.New(t.Context(), db.SuperURL)
	require.NoError(t, err)
	defer super.Close()
	_, err = super.Exec(t.Context(), "REVOKE UPDATE ON ledger.head FROM payledger_app")
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), storetest.Add("a", 1))
	require.ErrorIs(t, err, eventstore.ErrBusy)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	_, err = super.Exec(t.Context(), "GRANT UPDATE ON ledger.head TO payledger_app")
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), storetest.Add("a", 1))
	require.NoError(t, err)
}

func TestAStreamThatWasChangedBehindTheLockAbortsTheBatch(t *testing.T) {
	t.Parallel()
	var super *pgxpool.Pool
	var once atomic.Bool
	store, db := storetest.Open(t, func(c *eventstore.Config) {
		c.Failpoint = func(name string) {
			if name == eventstore.FailDecided && super != nil && once.CompareAndSwap(false, true) {
				_, err := super.Exec(context.WithoutCancel(t.Context()), "UPDATE ledger.streams SET version = version + 1")
				require.NoError(t, err)
			}
		}
	})
	_, err := store.Commit(t.Context(), storetest.Add("a", 1))
	require.NoError(t, err)
	super, err = pgxpool.New(t.Context(), db.SuperURL)
	require.NoError(t, err)
	defer super.Close()
	_, err = store.Commit(t.Context(), storetest.Add("a", 1))
	require.ErrorContains(t, err, "its events end at version 1, not 2")
	require.EqualValues(t, 1, store.Stats().Repeated)
	require.Equal(t, []string{"1"}, column(t, super, "SELECT count(*)::text FROM ledger.events"))
}

func TestCloseEndsWhenTheDatabaseDoesNot(t *testing.T) {
	t.Parallel()
	var super *pgxpool.Pool
	gate, store := storetest.OpenGated(t, func(c *eventstore.Config) {
		c.Patience, c.MaxBatch = 200*time.Millisecond, 1
		var err error
		super, err = pgxpool.New(t.Context(), strings.Replace(c.URL, pgtest.AppRole, pgtest.OwnerRole, 1))
		require.NoError(t, err)
	})
	defer super.Close()
	release := gate.Hold(t)
	first := gate.Start(t, storetest.Add("a", 1))
	second := gate.Start(t, storetest.Add("a", 1))
	_, err := super.Exec(t.Context(), "REVOKE UPDATE ON ledger.head FROM payledger_app")
	require.NoError(t, err)
	closed := make(chan struct{})
	go func() {
		store.Close()
		close(closed)
	}()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool {
		_, err := store.Lookup(gone, storetest.Add("a", 1).ID)
		return errors.Is(err, eventstore.ErrClosed)
	}, time.Minute, time.Millisecond)
	release()
	<-closed
	for _, out := range []<-chan storetest.Outcome{first, second} {
		o := <-out
		require.True(t, errors.Is(o.Err, eventstore.ErrBusy) || errors.Is(o.Err, eventstore.ErrClosed), o.Err)
	}
}

func TestReadingAheadOfADecisionFailsLikeTheWriter(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	_, err := store.Commit(t.Context(), storetest.Add("a\x00", 1))
	require.ErrorIs(t, err, eventstore.ErrStored)
	watching := storetest.Add("a", 1)
	watching.Watch = &eventstore.Watch{Tenant: storetest.Tenant, Subject: "m\xff"}
	_, err = store.Commit(t.Context(), watching)
	require.ErrorIs(t, err, eventstore.ErrStored)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Load(ctx, storetest.Stream("a"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = db.Pool(t).Exec(t.Context(), "REVOKE SELECT ON ledger.events FROM payledger_app")
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), storetest.Add("b", 1))
	require.ErrorIs(t, err, eventstore.ErrBusy)
}
