package eventstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

func master() [32]byte { return [32]byte{7} }

// about returns the append of one event to a stream about ann.
func about(stream, kind string) eventstore.Append {
	event := storetest.Event(1)
	event.Type = kind
	return eventstore.Append{Stream: storetest.Stream(stream), Subject: "ann", Events: []eventstore.NewEvent{event}}
}

func ann() eventstore.Person { return eventstore.Person{Tenant: storetest.Tenant, Subject: "ann"} }

// eraseAnn returns the commit that erases ann with the event given.
func eraseAnn(kind string) eventstore.Commit {
	appended, who := about("person-ann", kind), ann()
	c := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{appended}}, nil
	}, "person-ann")
	c.Erase = &who
	return c
}

func TestAnErasureDestroysTheKeysWithItsEvent(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	pool := db.AppPool(t)
	vault := eventstore.OpenVault(pool, master())
	key, err := vault.Ensure(t.Context(), storetest.Tenant, "ann")
	require.NoError(t, err)
	others := map[string]eventstore.Key{}
	for tenant, subject := range map[string]string{storetest.Tenant: "bob", "other": "ann"} {
		others[tenant], err = vault.Ensure(t.Context(), tenant, subject)
		require.NoError(t, err)
	}

	// Without the event that says so no key is destroyed.
	for name, c := range map[string]eventstore.Commit{"no event": emptyErasure(), "another event": eraseAnn("test.added")} {
		_, err = store.Commit(t.Context(), c)
		require.Equal(t, name == "another event", errors.Is(err, eventstore.ErrStored), name)
		erasure, err := eventstore.ReadErasure(t.Context(), pool, ann())
		require.NoError(t, err)
		require.Equal(t, eventstore.Erasure{Living: true}, erasure, name)
	}

	result, err := store.Commit(t.Context(), eraseAnn("person.erased"))
	require.NoError(t, err)
	erasure, err := eventstore.ReadErasure(t.Context(), pool, ann())
	require.NoError(t, err)
	require.Equal(t, eventstore.Erasure{Position: result.First, Keys: 1}, erasure)
	last, err := eventstore.NewReader(pool).LastErased(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.First, last)

	require.NoError(t, eventstore.RefreshKeys(t.Context(), vault))
	_, err = vault.Key(t.Context(), key.ID)
	require.ErrorIs(t, err, eventstore.ErrKeyDestroyed)
	for _, other := range others {
		got, err := vault.Key(t.Context(), other.ID)
		require.NoError(t, err)
		require.Equal(t, other, got)
	}
	storetest.Verify(t, db)
}

func emptyErasure() eventstore.Commit {
	c, who := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) { return eventstore.Decision{}, nil }), ann()
	c.Erase = &who
	return c
}

// A vault that nobody tells anything forgets a destroyed key by itself, soon.
func TestAVaultForgetsWhoWasErased(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	vault := eventstore.OpenVault(db.AppPool(t), master())
	key, err := vault.Ensure(t.Context(), storetest.Tenant, "ann")
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), eraseAnn("person.erased"))
	require.NoError(t, err)
	erased := time.Now()
	for {
		asked := time.Now()
		if _, err = vault.Key(t.Context(), key.ID); err != nil {
			break
		}
		require.LessOrEqual(t, asked.Sub(erased), eventstore.KeyFreshness)
	}
	require.ErrorIs(t, err, eventstore.ErrKeyDestroyed)
}

// reading is a folder whose states say whether a key still opens.
type reading struct{ key *atomic.Pointer[uuid.UUID] }

func (f reading) Fold(ctx context.Context, keys eventstore.Keys, _ eventstore.StreamID, _ any, _ []eventstore.Recorded) (any, error) {
	_, err := keys.Key(ctx, *f.key.Load())
	if errors.Is(err, eventstore.ErrKeyDestroyed) {
		return "gone", nil
	}
	return "open", err
}

// What a store remembers of a person's streams, and what its vault remembers, never decides anything after the erasure, though
// another process erased.
func TestNothingIsDecidedOnWhatIsErased(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	vault := eventstore.OpenVault(db.AppPool(t), master())
	key, err := vault.Ensure(t.Context(), storetest.Tenant, "ann")
	require.NoError(t, err)
	id := new(atomic.Pointer[uuid.UUID])
	id.Store(&key.ID)
	store := storetest.OpenOn(t, db, func(c *eventstore.Config) { c.Folder, c.Keys = reading{id}, vault })
	seen := func() (last any) {
		appended := about("fee-1", "test.added")
		_, err := store.Commit(t.Context(), storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
			last = v.Stream(storetest.Stream("fee-1")).Value
			return eventstore.Decision{Appends: []eventstore.Append{appended}}, nil
		}, "fee-1"))
		require.NoError(t, err)
		return last
	}
	require.Nil(t, seen())
	require.Equal(t, "open", seen())
	_, err = storetest.OpenOn(t, db).Commit(t.Context(), eraseAnn("person.erased"))
	require.NoError(t, err)
	require.Equal(t, "gone", seen())
	require.Equal(t, "gone", seen())
}

// Who waits beside an erasure doesn't seal under the key that it destroys.
func TestAnErasureIsWrittenAlone(t *testing.T) {
	t.Parallel()
	var url string
	gate, _ := storetest.OpenGated(t, func(c *eventstore.Config) { url = c.URL })
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer pool.Close()
	key, err := eventstore.OpenVault(pool, master()).Ensure(t.Context(), storetest.Tenant, "ann")
	require.NoError(t, err)
	sealing := func(stream string) eventstore.Commit {
		appended := about(stream, "test.added")
		return storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{appended}, Keys: []uuid.UUID{key.ID}}, nil
		}, stream)
	}
	outcomes := gate.Batch(t, sealing("before"), eraseAnn("person.erased"), sealing("after"))
	require.NoError(t, outcomes[0].Err)
	require.NoError(t, outcomes[1].Err)
	require.Equal(t, outcomes[0].Result.Last+1, outcomes[1].Result.First)
	require.ErrorIs(t, outcomes[2].Err, eventstore.ErrKeyDestroyed)
}

func TestALostConnectionErasesOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{eventstore.FailErase, eventstore.FailHead, eventstore.FailCommitSent} {
		db := pgtest.NewFrom(t, storetest.Template())
		super, err := pgxpool.New(t.Context(), db.SuperURL)
		require.NoError(t, err)
		var passed atomic.Int32
		store := storetest.OpenOn(t, db, func(c *eventstore.Config) {
			c.Failpoint = func(point string) {
				if point == name && passed.Add(1) == 1 {
					killWriter(context.WithoutCancel(t.Context()), t, super)
				}
			}
		})
		result, err := store.Commit(t.Context(), eraseAnn("person.erased"))
		require.NoError(t, err)
		require.NotZero(t, passed.Load())
		require.EqualValues(t, 1, result.Last)
		erasure, err := eventstore.ReadErasure(t.Context(), db.AppPool(t), ann())
		require.NoError(t, err)
		require.EqualValues(t, 1, erasure.Position)
		super.Close()
		storetest.Verify(t, db)
	}
}

func TestEraseAnswers(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	pool := db.AppPool(t)
	stored := func(tenant, stream, body string) eventstore.Commit {
		event := storetest.Event(1)
		id := eventstore.StreamID{Tenant: tenant, Name: stream}
		c := eventstore.Commit{ID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamID{id}}
		c.Decide = func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{
				Appends: []eventstore.Append{{Stream: id, Events: []eventstore.NewEvent{event}}},
				Answer:  &eventstore.Answer{Status: 201, ETag: `"0"`, Body: []byte(body), Salt: []byte("salt")},
				Route:   &eventstore.RouteEvent{Topic: "t", Headers: map[string]string{"ledger-tenant": tenant}, Body: []byte(body)},
			}, nil
		}
		c.Claim = &eventstore.Claim{Tenant: tenant, Subject: "staff", Key: stream}
		return c
	}
	const hers = `{"fee":{"id":"f1","_owner":"ann","note":"she said \"note\":\"no\" \\","isActive":true},"cards":[{"_owner":"ann","cardHolderName":"Ann Ü","cardHolderZip":"1010","note":null}]}`
	const his = `{"fee":{"id":"f2","_owner":"annabel","note":"hers? no","userId":"ann"}}`
	first := stored(storetest.Tenant, "fee-1", hers)
	for _, c := range []eventstore.Commit{first, stored(storetest.Tenant, "fee-2", his), stored("other", "fee-1", hers)} {
		_, err := store.Commit(t.Context(), c)
		require.NoError(t, err)
	}
	_, err := eventstore.EraseAnswers(t.Context(), pool, ann(), 99)
	require.ErrorContains(t, err, "nobody of this name was erased")
	erased, err := store.Commit(t.Context(), eraseAnn("person.erased"))
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), stored(storetest.Tenant, "fee-3", hers)) // of her new life
	require.NoError(t, err)

	for range 2 {
		n, err := eventstore.EraseAnswers(t.Context(), pool, ann(), erased.First)
		require.NoError(t, err)
		require.Equal(t, eventstore.ErasedAnswers{Answers: 1, RouteEvents: 1}, n)
	}
	const blank = `{"fee":{"id":"f1","_owner":"ann","note":null,"isActive":true},"cards":[{"_owner":"ann","cardHolderName":null,"cardHolderZip":null,"note":null}]}`
	require.Equal(t, []string{blank + " ", his + " salt", hers + " salt", hers + " salt"},
		column(t, pool, "SELECT convert_from(body, 'UTF8') || ' ' || convert_from(salt, 'UTF8') FROM ledger.idempotency ORDER BY position"))
	require.Equal(t, []string{blank, his, hers, hers}, column(t, pool, "SELECT convert_from(body, 'UTF8') FROM ledger.route_events ORDER BY number"))

	again := stored(storetest.Tenant, "fee-1", "another answer")
	replayed, err := store.Commit(t.Context(), again)
	require.NoError(t, err)
	require.True(t, replayed.Replayed)
	require.Len(t, replayed.Answer.Body, len(blank))
	require.EqualValues(t, 1, replayed.Last)
	require.NotEqual(t, first.ID, again.ID)
	storetest.Verify(t, db)
}
