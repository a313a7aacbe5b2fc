package eventstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// alone is a store that has found the log as it left it, so that its next batch is written unread. A batch is of two commits at most.
type alone struct {
	t     *testing.T
	store *eventstore.Store
	gate  *storetest.Gate
	db    *pgtest.DB
	super *pgxpool.Pool
	key   uuid.UUID // that lives
	hooks sync.Map  // func(), called once at the failpoint of that name
}

func openAlone(t *testing.T, change ...func(*eventstore.Config)) *alone {
	t.Helper()
	a := &alone{t: t, db: pgtest.NewFrom(t, storetest.Template()), key: uuid.Must(uuid.NewV7())}
	a.gate, a.store = storetest.OpenGatedOn(t, a.db, append([]func(*eventstore.Config){func(c *eventstore.Config) {
		c.AloneAfter, c.MaxBatch, c.CacheSize, c.ClockWithin = 1, 2, 1, time.Minute
		c.Failpoint = func(name string) {
			if hook, ok := a.hooks.LoadAndDelete(name); ok {
				hook.(func())()
			}
		}
	}}, change...)...)
	var err error
	a.super, err = pgxpool.New(t.Context(), a.db.SuperURL)
	require.NoError(t, err)
	t.Cleanup(a.super.Close)
	a.exec("INSERT INTO vault.keys (id, tenant, subject, wrapped) VALUES ($1, 'main', 'm', '\\x00')", a.key)
	for range 3 {
		require.NoError(t, a.commit(storetest.Add("a", 1)))
	}
	require.Equal(t, [2]int64{1, 0}, a.unread())
	return a
}

func (a *alone) exec(sql string, args ...any) {
	a.t.Helper()
	_, err := a.super.Exec(a.t.Context(), sql, args...)
	require.NoError(a.t, err)
}

func (a *alone) commit(c eventstore.Commit) error {
	a.t.Helper()
	_, err := a.store.Commit(a.t.Context(), c)
	return err
}

// beside commits c in one batch with another, which comes first.
func (a *alone) beside(other, c eventstore.Commit) (eventstore.Result, error) {
	a.t.Helper()
	out := a.gate.Batch(a.t, other, c)
	require.NoError(a.t, out[0].Err)
	return out[1].Result, out[1].Err
}

// behind commits c, which was prepared before moving was written, two batches before.
func (a *alone) behind(moving, c eventstore.Commit) error {
	a.t.Helper()
	fill := func() eventstore.Commit { return storetest.Add("fill", 1) }
	return a.inOrder(moving, fill(), fill(), fill(), c).Err
}

// inOrder commits all, in batches of two, which have been prepared before the first is written, and returns what became of the last.
func (a *alone) inOrder(commits ...eventstore.Commit) storetest.Outcome {
	a.t.Helper()
	release := a.gate.Hold(a.t)
	waiting := make([]<-chan storetest.Outcome, len(commits))
	for i, c := range commits {
		waiting[i] = a.gate.Start(a.t, c)
	}
	release()
	for _, out := range waiting[:len(commits)-1] {
		require.NoError(a.t, (<-out).Err)
	}
	return <-waiting[len(commits)-1]
}

// unread returns how many batches were written unread, and how many were tried so in vain.
func (a *alone) unread() [2]int64 {
	stats := a.store.Stats()
	return [2]int64{stats.Unread, stats.Mistaken}
}

func (a *alone) sum(name string) int64 {
	a.t.Helper()
	state, err := a.store.Load(a.t.Context(), storetest.Stream(name))
	require.NoError(a.t, err)
	value, _ := state.Value.(storetest.State)
	return value.Sum
}

// copySum returns a commit that appends the sum of one stream to another.
func copySum(from, to string) eventstore.Commit {
	id := uuid.Must(uuid.NewV7())
	return storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		event := storetest.Event(storetest.Value(v, from).Sum)
		event.ID = id
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append(to, event)}}, nil
	}, from, to)
}

func addBoth(one, two string) eventstore.Commit {
	first, second := storetest.Event(1), storetest.Event(1)
	return storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append(one, first), storetest.Append(two, second)}}, nil
	}, one, two)
}

func addSealed(name string, key uuid.UUID) eventstore.Commit {
	c := storetest.Add(name, 1)
	decide := c.Decide
	c.Decide = func(v eventstore.View) (eventstore.Decision, error) {
		d, err := decide(v)
		d.Keys = []uuid.UUID{key}
		return d, err
	}
	return c
}

func addClaimed(name, key string) eventstore.Commit {
	c := storetest.Add(name, 1)
	c.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Subject: "s", Key: key}
	return c
}

func TestAWriterAloneWritesUnread(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t, func(c *eventstore.Config) { c.ClockWithin = time.Minute })
	for range 10 {
		_, err := store.Commit(t.Context(), addUpTo("a", 1, 10))
		require.NoError(t, err)
	}
	require.EqualValues(t, 10-1-eventstore.DefaultAloneAfter, store.Stats().Unread)
	result, err := store.Commit(t.Context(), addUpTo("a", 1, 10))
	require.ErrorIs(t, err, errTooMuch)
	require.EqualValues(t, 10, result.Head)
	require.Zero(t, store.Stats().Mistaken)
	storetest.Verify(t, db)
}

// Everything that an unread batch assumes holds: nothing was asked, and nothing had to be.
func TestUnreadBatchesAreRight(t *testing.T) {
	t.Parallel()
	a := openAlone(t)
	var seen []string
	require.NoError(t, a.commit(addAbout("fee-1", "m", 7)))
	require.NoError(t, a.commit(copySum("a", "b")))
	require.NoError(t, a.commit(addSealed("b", a.key)))
	require.NoError(t, a.commit(addClaimed("b", "k")))
	require.NoError(t, a.commit(addAbout("fee-2", "m", 1)))
	require.NoError(t, a.commit(sumOfMember(0, &seen)))
	require.Equal(t, [2]int64{7, 0}, a.unread())
	require.EqualValues(t, 3+1+1, a.sum("b"))
	require.Equal(t, []string{"fee-1", "fee-2"}, seen)
	require.EqualValues(t, 8, a.sum("total"))
	storetest.Verify(t, a.db)
}

func TestUnreadBatchesThatAreMistakenAreReadFirst(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(*alone){
		"another writer": func(a *alone) {
			_, err := storetest.OpenOn(a.t, a.db).Commit(a.t.Context(), storetest.Add("a", 5))
			require.NoError(a.t, err)
			require.NoError(a.t, a.commit(copySum("a", "c")))
			require.EqualValues(a.t, 8, a.sum("c"))
		},
		// Too small a cache says nothing of a stream that this writer's own last batch has moved on.
		"a stream that was read only": func(a *alone) {
			require.NoError(a.t, a.behind(addBoth("a", "z"), copySum("a", "b")))
			require.EqualValues(a.t, 4, a.sum("b"))
		},
		"a stream that was appended to": func(a *alone) {
			require.NoError(a.t, a.behind(addBoth("a", "y"), storetest.Add("a", 1)))
			require.EqualValues(a.t, 5, a.sum("a"))
		},
		"a stream that was new": func(a *alone) {
			require.NoError(a.t, a.behind(addBoth("new", "z"), storetest.Add("new", 1)))
			require.EqualValues(a.t, 2, a.sum("new"))
		},
		"another find of a watch": func(a *alone) {
			var seen []string
			require.NoError(a.t, a.behind(addAbout("fee-1", "m", 7), sumOfMember(0, &seen)))
			require.Equal(a.t, []string{"fee-1"}, seen)
			require.EqualValues(a.t, 7, a.sum("total"))
		},
		"a destroyed key": func(a *alone) {
			a.exec("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now()")
			require.ErrorIs(a.t, a.commit(addSealed("a", a.key)), eventstore.ErrKeyDestroyed)
			require.EqualValues(a.t, 3, a.sum("a"))
		},
		"an unknown key": func(a *alone) {
			require.ErrorIs(a.t, a.commit(addSealed("a", uuid.Must(uuid.NewV7()))), eventstore.ErrKeyUnknown)
		},
		"a repeated commit": func(a *alone) {
			c := storetest.Add("a", 1)
			first, err := a.store.Commit(a.t.Context(), c)
			require.NoError(a.t, err)
			again, err := a.store.Commit(a.t.Context(), c)
			require.NoError(a.t, err)
			require.True(a.t, again.Replayed)
			require.Equal(a.t, first.Last, again.Last)
			require.EqualValues(a.t, 4, a.sum("a"))
		},
		"a repeated claim": func(a *alone) {
			require.NoError(a.t, a.commit(addClaimed("a", "k")))
			require.ErrorIs(a.t, a.commit(addClaimed("a", "k")), eventstore.ErrClaimRunning)
			require.EqualValues(a.t, 4, a.sum("a"))
		},
		// Who is refused writes nothing, and was answered before.
		"a repeated commit that would be refused": func(a *alone) {
			first := addUpTo("a", 1, 4)
			require.NoError(a.t, a.commit(first))
			again, err := a.beside(storetest.Add("b", 1), first)
			require.NoError(a.t, err)
			require.True(a.t, again.Replayed)
			require.EqualValues(a.t, 4, again.Last)
		},
		"a repeated claim that would be refused": func(a *alone) {
			first := addUpTo("a", 1, 4)
			first.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Subject: "s", Key: "k"}
			require.NoError(a.t, a.commit(first))
			first.ID = uuid.Must(uuid.NewV7())
			_, err := a.beside(storetest.Add("b", 1), first)
			require.ErrorIs(a.t, err, eventstore.ErrClaimRunning)
		},
		"a row that Postgres refuses": func(a *alone) {
			event := storetest.Event(1)
			event.Type = "zero\x00byte"
			require.ErrorIs(a.t, a.commit(storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
				return eventstore.Decision{Appends: []eventstore.Append{storetest.Append("a", event)}}, nil
			}, "a")), eventstore.ErrStored)
		},
		// Its COMMIT is on its way: it must not wait for the head.
		"a head that is held": func(a *alone) {
			tx, err := a.super.Begin(a.t.Context())
			require.NoError(a.t, err)
			_, err = tx.Exec(a.t.Context(), "SELECT FROM ledger.head FOR UPDATE")
			require.NoError(a.t, err)
			done := make(chan error, 1)
			go func() {
				_, err := a.store.Commit(context.WithoutCancel(a.t.Context()), storetest.Add("a", 1))
				done <- err
			}()
			require.Eventually(a.t, func() bool {
				var waits bool
				err := a.super.QueryRow(a.t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
				return err == nil && waits
			}, time.Minute, time.Millisecond)
			require.EqualValues(a.t, 1, a.unread()[1], "it is the batch that is read first who waits")
			require.NoError(a.t, tx.Rollback(a.t.Context()))
			require.NoError(a.t, <-done)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := openAlone(t)
			try(a)
			require.EqualValues(t, 1, a.unread()[1])
			require.Zero(t, a.store.Stats().Repeated)
			storetest.Verify(t, a.db)
		})
	}
}
