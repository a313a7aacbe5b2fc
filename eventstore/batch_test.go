package eventstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// addUpTo returns a commit that adds n to a stream as long as the sum stays within limit.
func addUpTo(name string, n, limit int64) eventstore.Commit {
	event := storetest.Event(n)
	return storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		if storetest.Value(v, name).Sum+n > limit {
			return eventstore.Decision{}, errTooMuch
		}
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append(name, event)}}, nil
	}, name)
}

func TestDecisionsOfABatchSeeEachOther(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	out := gate.Batch(t, addUpTo("a", 4, 10), addUpTo("a", 4, 10), addUpTo("a", 4, 10), storetest.Add("b", 1), addUpTo("a", 2, 10))
	require.NoError(t, out[0].Err)
	require.NoError(t, out[1].Err)
	require.ErrorIs(t, out[2].Err, errTooMuch)
	require.Equal(t, eventstore.Result{Head: 2}, out[2].Result)
	require.EqualValues(t, 3, out[3].Result.Last)
	require.EqualValues(t, 4, out[4].Result.Last)
	require.EqualValues(t, 2, store.Stats().Batches) // the look-up that held the writer, and all of these
	state, err := store.Load(t.Context(), storetest.Stream("a"))
	require.NoError(t, err)
	require.Equal(t, storetest.State{Count: 3, Sum: 10}, state.Value)
}

func TestARefusalThatIsOutOfDateIsDecidedAgain(t *testing.T) {
	t.Parallel()
	gate, _ := storetest.OpenGated(t)
	onlyAfterFirst := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		if storetest.Value(v, "a").Count == 0 {
			return eventstore.Decision{}, errors.New("nothing there")
		}
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append("b", storetest.Event(1))}}, nil
	}, "a", "b")
	out := gate.Batch(t, storetest.Add("a", 1), onlyAfterFirst)
	require.NoError(t, out[1].Err)
	require.EqualValues(t, 2, out[1].Result.Last)
}

func TestNewsOfAnotherStoreIsReadUnderTheLock(t *testing.T) {
	t.Parallel()
	one, db := storetest.Open(t)
	two := storetest.OpenOn(t, db)
	for range 3 { // each store's cache is behind every time
		_, err := one.Commit(t.Context(), addUpTo("a", 1, 100))
		require.NoError(t, err)
		_, err = two.Commit(t.Context(), addUpTo("a", 1, 100))
		require.NoError(t, err)
	}
	_, err := one.Commit(t.Context(), addUpTo("a", 1, 6))
	require.ErrorIs(t, err, errTooMuch)
	require.Positive(t, one.Stats().Redecided)
}

func TestARefusalInMidBatchDisturbsNobody(t *testing.T) {
	t.Parallel()
	gate, _ := storetest.OpenGated(t)
	out := gate.Batch(t, storetest.Add("a", 1), addUpTo("b", 5, 1), storetest.Add("c", 1))
	require.NoError(t, out[0].Err)
	require.ErrorIs(t, out[1].Err, errTooMuch)
	require.NoError(t, out[2].Err)
	require.EqualValues(t, 2, out[2].Result.Last)
}

func TestARowThatPostgresRefusesInMidBatch(t *testing.T) {
	t.Parallel()
	bad := storetest.Event(1)
	bad.Type = "test.\x00"
	tests := map[string]eventstore.Commit{
		"in an event": storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{storetest.Append("b", bad)}}, nil
		}, "b"),
		"in a claim": func() eventstore.Commit {
			c := storetest.Add("b", 1)
			c.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Key: "\xff"}
			return c
		}(),
		"in a route event": storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Route: &eventstore.RouteEvent{Headers: map[string]string{"h": "\xff"}}}, nil
		}),
	}
	for name, guilty := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate, store := storetest.OpenGated(t)
			commits := []eventstore.Commit{
				storetest.Add("a", 1), storetest.Add("a", 2), guilty, storetest.Add("a", 3), storetest.Add("b", 4), storetest.Add("c", 5), storetest.Add("c", 6),
			}
			positions := []int64{1, 2, 0, 3, 4, 5, 6}
			for i, o := range gate.Batch(t, commits...) {
				if i == 2 {
					require.ErrorIs(t, o.Err, eventstore.ErrStored)
					continue
				}
				require.NoError(t, o.Err)
				require.Equal(t, positions[i], o.Result.Last)
			}
			_, err := store.Lookup(t.Context(), guilty.ID)
			require.ErrorIs(t, err, eventstore.ErrCommitNotFound)
			require.Zero(t, store.Stats().Repeated)
		})
	}
}

func TestAPanicInMidBatch(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	panics := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		if storetest.Value(v, "a").Count > 0 {
			panic("only under the lock")
		}
		return eventstore.Decision{}, nil
	}, "a")
	unnamed := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		v.Stream(storetest.Stream("other"))
		return eventstore.Decision{}, nil
	}, "a")
	out := gate.Batch(t, storetest.Add("a", 1), panics, unnamed, storetest.Add("a", 2))
	require.NoError(t, out[0].Err)
	require.ErrorIs(t, out[1].Err, eventstore.ErrPanic)
	require.ErrorIs(t, out[2].Err, eventstore.ErrPanic)
	require.EqualValues(t, 2, out[3].Result.Last)
	require.Zero(t, store.Stats().Repeated)
}

func TestAnEventThatTheFolderCantReadRefusesOnlyWhoNeedsIt(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	spoil := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append("a", storetest.EventWith(storetest.Unreadable))}}, nil
	}, "a")
	out := gate.Batch(t, spoil, storetest.Add("a", 1), storetest.Add("b", 1))
	require.NoError(t, out[0].Err)
	require.ErrorIs(t, out[1].Err, storetest.ErrUnreadable)
	require.EqualValues(t, 2, out[2].Result.Last)
	_, err := store.Load(t.Context(), storetest.Stream("a"))
	require.ErrorIs(t, err, storetest.ErrUnreadable)
}

func TestMoreStreamsAreLoadedOnDemand(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	_, err := store.Commit(t.Context(), storetest.Add("target-1", 40))
	require.NoError(t, err)
	// The stream "pointer" says which target counts; the batch moves it from 0 to 1.
	follow := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		target := "target-0"
		if storetest.Value(v, "pointer").Sum == 1 {
			target = "target-1"
		}
		return eventstore.Decision{More: []eventstore.StreamID{storetest.Stream(target)}}, nil
	}, "pointer")
	ask := follow.Decide
	follow.Decide = func(v eventstore.View) (d eventstore.Decision, err error) {
		d, err = ask(v)
		defer func() {
			if recover() != nil { // not loaded yet
				err = nil
			}
		}()
		sum := v.Stream(d.More[0]).Value.(storetest.State).Sum
		return eventstore.Decision{Appends: []eventstore.Append{{Stream: d.More[0], Events: []eventstore.NewEvent{storetest.Event(sum)}}}}, nil
	}
	out := gate.Batch(t, storetest.Add("target-0", 7), storetest.Add("pointer", 1), follow)
	require.NoError(t, out[2].Err)
	state, err := store.Load(t.Context(), storetest.Stream("target-1"))
	require.NoError(t, err)
	require.Equal(t, storetest.State{Count: 2, Sum: 80}, state.Value)
}

func TestADecisionThatAsksForMoreForEverIsRefused(t *testing.T) {
	t.Parallel()
	store, _ := storetest.Open(t)
	_, err := store.Commit(t.Context(), storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{More: []eventstore.StreamID{storetest.Stream("a")}}, nil
	}, "a"))
	require.ErrorIs(t, err, eventstore.ErrInvalid)
}

// sumOfMember returns a commit that stores the sum of all fees of a member that moved after a position.
func sumOfMember(after int64, seen *[]string) eventstore.Commit {
	c := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		*seen = nil
		sum := int64(0)
		for _, id := range v.Watched() {
			*seen = append(*seen, id.Name)
			sum += v.Stream(id).Value.(storetest.State).Sum
		}
		return eventstore.Decision{Appends: []eventstore.Append{storetest.Append("total", storetest.Event(sum))}}, nil
	}, "total")
	c.Watch = &eventstore.Watch{Tenant: storetest.Tenant, Subject: "m", Prefix: "fee-", After: after}
	return c
}

func addAbout(name, subject string, n int64) eventstore.Commit {
	return storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{{
			Stream: storetest.Stream(name), Subject: subject, Events: []eventstore.NewEvent{storetest.Event(n)},
		}}}, nil
	}, name)
}

func TestWatchFindsWhatMovedUpToTheLock(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	for _, c := range []eventstore.Commit{addAbout("fee-1", "m", 1), addAbout("fee-2", "m", 10), addAbout("fee-3", "n", 100), addAbout("other-4", "m", 1000)} {
		_, err := store.Commit(t.Context(), c)
		require.NoError(t, err)
	}
	var seen, later []string
	out := gate.Batch(t, addAbout("fee-9", "m", 10_000), sumOfMember(1, &seen), addAbout("fee-1", "", 1), sumOfMember(1, &later))
	require.NoError(t, errors.Join(out[0].Err, out[1].Err, out[2].Err, out[3].Err))
	require.Equal(t, []string{"fee-2", "fee-9"}, seen)
	require.Equal(t, []string{"fee-1", "fee-2", "fee-9"}, later)
	state, err := store.Load(t.Context(), storetest.Stream("total"))
	require.NoError(t, err)
	require.EqualValues(t, 10_010+10_012, state.Value.(storetest.State).Sum)
}

func TestAPersonIsFixedByTheFirstAppend(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	out := gate.Batch(t, addAbout("a", "m", 1), addAbout("a", "", 1), addAbout("a", "m", 1), addAbout("a", "n", 1), addAbout("b", "", 1), addAbout("b", "m", 1))
	for i, want := range []error{nil, nil, nil, eventstore.ErrSubjectChanged, nil, eventstore.ErrSubjectChanged} {
		require.ErrorIs(t, out[i].Err, want)
	}
	state, err := store.Load(t.Context(), storetest.Stream("a"))
	require.NoError(t, err)
	require.Equal(t, "m", state.Subject)
}

func TestAppendsNeedANamedStreamAndWholeEvents(t *testing.T) {
	t.Parallel()
	store, _ := storetest.Open(t)
	noType, farFuture := storetest.Event(1), storetest.Event(1)
	noType.Type = ""
	farFuture.EffectiveAt = farFuture.EffectiveAt.AddDate(300_000, 0, 0)
	for _, test := range []struct {
		appends eventstore.Append
		want    error
	}{
		{storetest.Append("unnamed", storetest.Event(1)), eventstore.ErrInvalid},
		{storetest.Append("a", noType), eventstore.ErrInvalid},
		{storetest.Append("a", farFuture), eventstore.ErrStored},
	} {
		_, err := store.Commit(t.Context(), storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{test.appends}}, nil
		}, "a"))
		require.ErrorIs(t, err, test.want)
	}
	_, err := store.Commit(t.Context(), eventstore.Commit{})
	require.ErrorIs(t, err, eventstore.ErrInvalid)
}

// A refusal costs no write, once a batch was written: then nothing older can come to the log any more.
func TestARefusalWritesNothing(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	version := func() []string { return column(t, db.AppPool(t), "SELECT xmin::text FROM ledger.head") }
	_, err := store.Commit(t.Context(), addUpTo("a", 1, 1))
	require.NoError(t, err)
	before := version()
	_, err = store.Commit(t.Context(), addUpTo("a", 1, 1))
	require.ErrorIs(t, err, errTooMuch)
	require.Equal(t, before, version())
}

func TestOneNotificationForABatch(t *testing.T) {
	t.Parallel()
	var url string
	gate, _ := storetest.OpenGated(t, func(c *eventstore.Config) { url = c.URL })
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), "LISTEN ledger")
	require.NoError(t, err)
	gate.Batch(t, storetest.Add("a", 1), storetest.Add("b", 1), storetest.Add("c", 1))
	gate.Batch(t, storetest.Add("a", 1))
	for _, want := range []string{"3", "4"} {
		n, err := conn.WaitForNotification(t.Context())
		require.NoError(t, err)
		position, _, _ := strings.Cut(n.Payload, " ")
		require.Equal(t, want, position)
	}
}
