// Package ledgertest makes logs of real, random histories for tests of projections and read models: commands are decided by
// the domain and stored by the event store, on a database of the test's own.
package ledgertest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/person"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// Tenant is the tenant of all streams.
const Tenant = "main"

// Log is a log and what a runner needs to read it.
type Log struct {
	DB      *pgtest.DB
	Store   *eventstore.Store
	Reader  *eventstore.Reader // as the projector's role
	Waker   *eventstore.Waker  // running
	Catalog *catalog.Catalog
	Keys    *eventstore.Vault
	Fees    []string // ids, in the order in which they were assessed
	Users   []string
	Roles   []string // of whoever does what is queued: staff

	life
	now    time.Time
	random *rand.Rand
	fees   map[string]fee.State
	keys   map[string]eventstore.Key
	queued []eventstore.Append
}

// Open makes an empty log. Histories are the same for the same seed.
func Open(t testing.TB, seed uint64) *Log {
	t.Helper()
	store, db := storetest.Open(t, func(c *eventstore.Config) { c.Folder = noState{} })
	pool := db.ProjectorPool(t)
	l := &Log{
		DB: db, Store: store, Reader: eventstore.NewReader(pool), Waker: eventstore.NewWaker(pool, slog.New(slog.DiscardHandler)),
		Catalog: catalog.New(), Keys: eventstore.OpenVault(db.AppPool(t), [32]byte{1}),
		now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // not a secret
		fees: make(map[string]fee.State), keys: make(map[string]eventstore.Key), Roles: []string{"staff"},
	}
	for range 5 {
		l.Users = append(l.Users, l.id())
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(done); l.Waker.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// noState is a folder for stores whose decisions look at nothing.
type noState struct{}

func (noState) Fold(context.Context, eventstore.Keys, eventstore.StreamID, any, []eventstore.Recorded) (any, error) {
	return struct{}{}, nil
}

// USD returns cents.
func USD(t testing.TB, cents int64) money.Amount {
	t.Helper()
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	return money.New(cents, usd)
}

// id makes ids that repeat for a seed.
func (l *Log) id() string {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(l.random.Uint32()) //nolint:gosec // the low eight bits
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id.String()
}

// Queue adds an event to what Flush stores, at the next millisecond.
func (l *Log) Queue(t testing.TB, stream, user string, data any) {
	t.Helper()
	key, ok := l.keys[user]
	if !ok && user != "" {
		var err error
		key, err = l.Keys.Ensure(t.Context(), Tenant, user)
		require.NoError(t, err)
		l.keys[user] = key
	}
	id := eventstore.StreamID{Tenant: Tenant, Name: stream}
	event, err := l.Catalog.Encode(catalog.EncodeArgs{
		Key: &key, Stream: id, ID: uuid.Must(uuid.NewV7()), Data: data, EffectiveAt: l.now,
		Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: l.Users[0], Roles: l.Roles}, At: l.now, Channel: "api"},
	})
	require.NoError(t, err)
	l.QueueRaw(stream, user, event)
}

// QueueRaw adds an event as it is.
func (l *Log) QueueRaw(stream, user string, event eventstore.NewEvent) {
	l.queued = append(l.queued, eventstore.Append{
		Stream: eventstore.StreamID{Tenant: Tenant, Name: stream}, Subject: user, Events: []eventstore.NewEvent{event},
	})
}

// Flush stores what is queued, in one commit, and returns the last position.
func (l *Log) Flush(t testing.TB) int64 {
	t.Helper()
	result, err := l.Store.Commit(t.Context(), l.commit())
	require.NoError(t, err)
	return result.Last
}

// commit takes what is queued.
func (l *Log) commit() eventstore.Commit {
	appends := l.queued
	l.queued = nil
	commit := eventstore.Commit{ID: uuid.Must(uuid.NewV7()), Decide: func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: appends}, nil
	}}
	named := make(map[eventstore.StreamID]bool)
	for _, a := range appends {
		if !named[a.Stream] {
			named[a.Stream] = true
			commit.Streams = append(commit.Streams, a.Stream)
		}
	}
	return commit
}

// Erase stores what is queued, and then erases a person; what is queued of them later is sealed under a new key. It returns the
// position of the erasure. No money is asked after.
func (l *Log) Erase(t testing.TB, user string) int64 {
	t.Helper()
	if len(l.queued) > 0 {
		l.Flush(t)
	}
	l.Queue(t, person.Stream(user), user, person.Erased{UserID: user, Reason: "request"})
	delete(l.keys, user)
	commit := l.commit()
	commit.Erase = &eventstore.Person{Tenant: Tenant, Subject: user}
	result, err := l.Store.Commit(t.Context(), commit)
	require.NoError(t, err)
	require.NoError(t, l.Keys.Refresh(t.Context()))
	return result.Last
}

// Decode returns the event at a position.
func (l *Log) Decode(t testing.TB, position int64) catalog.Event {
	t.Helper()
	return l.Events(t, position-1, 1)[0]
}

// Events returns up to limit decoded events after a position.
func (l *Log) Events(t testing.TB, after int64, limit int) []catalog.Event {
	t.Helper()
	recorded, err := l.Reader.ReadAll(t.Context(), after, limit)
	require.NoError(t, err)
	events := make([]catalog.Event, len(recorded))
	for i := range recorded {
		events[i], err = l.Catalog.Decode(t.Context(), l.Keys, &recorded[i])
		require.NoError(t, err, recorded[i].Position)
	}
	return events
}

// Recorded returns the event at a position as it is stored.
func (l *Log) Recorded(t testing.TB, position int64) eventstore.Recorded {
	t.Helper()
	recorded, err := l.Reader.ReadAll(t.Context(), position-1, 1)
	require.NoError(t, err)
	require.Len(t, recorded, 1)
	return recorded[0]
}
