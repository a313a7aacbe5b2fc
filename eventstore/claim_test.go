package eventstore_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// claimed returns a commit under an idempotency key that adds 1 to stream a and answers with body.
func claimed(key, request, body string) eventstore.Commit {
	event := storetest.Event(1)
	c := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{
			Appends: []eventstore.Append{storetest.Append("a", event)},
			Answer:  &eventstore.Answer{Status: 201, ETag: `"0"`, Body: []byte(body), Salt: []byte("salt")},
			Route:   &eventstore.RouteEvent{Topic: "t"},
		}, nil
	}, "a")
	c.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Subject: "s", Key: key}
	copy(c.Claim.Fingerprint[:], request)
	return c
}

func TestAClaimIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	first, err := store.Commit(t.Context(), claimed("k", "request", "one"))
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{First: 1, Last: 1, Head: 1, Answer: eventstore.Answer{
		Status: 201, ETag: `"0"`, Body: []byte("one"), Salt: []byte("salt"),
	}}, first)
	_, err = store.Commit(t.Context(), storetest.Add("b", 1))
	require.NoError(t, err)

	want := first
	want.Replayed = true
	again, err := store.Commit(t.Context(), claimed("k", "request", "two"))
	require.NoError(t, err)
	require.Equal(t, want, again)
	other, err := store.Commit(t.Context(), claimed("k2", "request", "three"))
	require.NoError(t, err)
	require.EqualValues(t, 3, other.Last)
	_, err = store.Commit(t.Context(), claimed("k", "another", "four"))
	require.ErrorIs(t, err, eventstore.ErrFingerprint)

	require.Equal(t, []string{"1", "2"}, column(t, db.AppPool(t), "SELECT number::text FROM ledger.route_events r ORDER BY r.number"))
}

func TestTheSameClaimTwiceInABatch(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	out := gate.Batch(t, claimed("k", "request", "one"), claimed("k", "request", "two"), claimed("k", "another", "three"))
	require.NoError(t, errors.Join(out[0].Err, out[1].Err))
	require.False(t, out[0].Result.Replayed)
	want := out[0].Result
	want.Replayed = true
	require.Equal(t, want, out[1].Result)
	require.ErrorIs(t, out[2].Err, eventstore.ErrFingerprint)
	state, err := store.Load(t.Context(), storetest.Stream("a"))
	require.NoError(t, err)
	require.EqualValues(t, 1, state.Version)
}

func TestARefusedCommandLeavesItsClaimFree(t *testing.T) {
	t.Parallel()
	gate, _ := storetest.OpenGated(t)
	refused := claimed("k", "request", "")
	refused.Decide = func(eventstore.View) (eventstore.Decision, error) { return eventstore.Decision{}, errTooMuch }
	out := gate.Batch(t, refused, claimed("k", "another", "one"))
	require.ErrorIs(t, out[0].Err, errTooMuch)
	require.NoError(t, out[1].Err)
}

func TestAClaimWithoutEventsIsStoredWithItsHead(t *testing.T) {
	t.Parallel()
	store, _ := storetest.Open(t)
	_, err := store.Commit(t.Context(), storetest.Add("a", 1))
	require.NoError(t, err)
	so := claimed("k", "request", "")
	so.Decide = func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Answer: &eventstore.Answer{Status: 200, Body: []byte("so")}}, nil
	}
	first, err := store.Commit(t.Context(), so)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{Head: 1, Answer: eventstore.Answer{Status: 200, Body: []byte("so")}}, first)
	again, err := store.Commit(t.Context(), claimed("k", "request", ""))
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.EqualValues(t, 1, again.Head)
	require.Equal(t, "so", string(again.Answer.Body))
	stored, err := store.Lookup(t.Context(), so.ID)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{Head: 1, Replayed: true}, stored)
}

func TestAClaimCanBeAnsweredByALaterCommit(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	intent := claimed("k", "request", "")
	decide := intent.Decide
	intent.Decide = func(v eventstore.View) (eventstore.Decision, error) {
		d, err := decide(v)
		d.Answer = nil
		return d, err
	}
	out := gate.Batch(t, intent, claimed("k", "request", "too early"))
	require.NoError(t, out[0].Err)
	require.ErrorIs(t, out[1].Err, eventstore.ErrClaimRunning)
	_, err := store.Commit(t.Context(), claimed("k", "request", "too early"))
	require.ErrorIs(t, err, eventstore.ErrClaimRunning)

	stranger := claimed("k", "request", "stranger")
	stranger.Claim.Holder = uuid.New()
	_, err = store.Commit(t.Context(), stranger)
	require.ErrorIs(t, err, eventstore.ErrClaimRunning)
	outcome := claimed("k", "request", "outcome")
	outcome.Claim.Holder = intent.ID
	late := claimed("k", "request", "late")
	late.Claim.Holder = intent.ID
	out = gate.Batch(t, outcome, late, claimed("k", "request", "again"))
	require.NoError(t, errors.Join(out[0].Err, out[1].Err, out[2].Err))
	require.False(t, out[0].Result.Replayed)
	require.EqualValues(t, 2, out[0].Result.Last)
	for _, o := range out[1:] {
		require.True(t, o.Result.Replayed)
		require.Equal(t, "outcome", string(o.Result.Answer.Body))
		require.EqualValues(t, 2, o.Result.Head)
	}
	nobodys := claimed("k2", "request", "")
	nobodys.Claim.Holder = intent.ID
	_, err = store.Commit(t.Context(), nobodys)
	require.ErrorIs(t, err, eventstore.ErrInvalid)
}

func TestTheSameCommitAgainIsNotStoredTwice(t *testing.T) {
	t.Parallel()
	gate, store := storetest.OpenGated(t)
	c, keyed := storetest.Add("a", 1), claimed("k", "request", "one")
	out := gate.Batch(t, c, c, keyed, keyed)
	require.NoError(t, errors.Join(out[0].Err, out[1].Err, out[2].Err, out[3].Err))
	require.Equal(t, eventstore.Result{First: 1, Last: 1, Head: 1, Replayed: true}, out[1].Result)
	again, err := store.Commit(t.Context(), keyed)
	require.NoError(t, err)
	require.Equal(t, out[3].Result, again)
	require.Equal(t, "one", string(again.Answer.Body))
	require.EqualValues(t, 2, again.Last)
}

func TestKeysMustLiveUnderTheLock(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	living, destroyed := uuid.New(), uuid.New()
	_, err := db.Pool(t).Exec(t.Context(), `INSERT INTO vault.keys (id, tenant, subject, wrapped, destroyed_at)
VALUES ($1, 'main', 'm', 'w', NULL), ($2, 'main', 'n', NULL, now())`, living, destroyed)
	require.NoError(t, err)
	for _, test := range []struct {
		key  uuid.UUID
		want error
	}{{living, nil}, {destroyed, eventstore.ErrKeyDestroyed}, {uuid.New(), eventstore.ErrKeyUnknown}} {
		c := storetest.Add("a", 1)
		decide, calls := c.Decide, 0
		c.Decide = func(v eventstore.View) (eventstore.Decision, error) {
			d, err := decide(v)
			if calls++; calls > 1 || test.want != nil {
				d.Keys = []uuid.UUID{test.key}
			}
			return d, err
		}
		_, err := store.Commit(t.Context(), c)
		require.ErrorIs(t, err, test.want)
	}
}
