// Package storetest helps to test against a real event store: a database with the log's schema, a Folder that needs no domain, and
// commits in a line.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/migrations"
	"payledger/eventstore/pgtest"
)

// Tenant is the tenant of all streams that this package makes.
const Tenant = "main"

// Unreadable is the data of an event that Folder can't read.
const Unreadable = "unreadable"

// ErrUnreadable is what Folder says about it.
var ErrUnreadable = errors.New("data is not a number")

// State is what Folder makes of a stream whose events carry numbers.
type State struct {
	Count int64
	Sum   int64
}

// Folder counts events and sums up the numbers that they carry. It needs no keys.
type Folder struct{}

var _ eventstore.Folder = Folder{}

// Fold returns a State.
func (Folder) Fold(_ context.Context, _ eventstore.Keys, _ eventstore.StreamID, value any, events []eventstore.Recorded) (any, error) {
	state, _ := value.(State)
	for i := range events {
		n, err := strconv.ParseInt(string(events[i].Data), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", events[i].Data, ErrUnreadable)
		}
		state.Count++
		state.Sum += n
	}
	return state, nil
}

// Template is a database with the schema of the log.
func Template() pgtest.Template {
	return pgtest.Template{Name: "log", Files: migrations.FS, Migrate: eventstore.Migrate}
}

// Open opens a store on a database of the test's own; both are gone when the test ends.
func Open(t testing.TB, change ...func(*eventstore.Config)) (*eventstore.Store, *pgtest.DB) {
	t.Helper()
	db := pgtest.NewFrom(t, Template())
	return OpenOn(t, db, change...), db
}

// OpenOn opens a store on db, as the app's role, until the test ends.
func OpenOn(t testing.TB, db *pgtest.DB, change ...func(*eventstore.Config)) *eventstore.Store {
	t.Helper()
	config := eventstore.Config{URL: db.AppURL, Folder: Folder{}}
	for _, fn := range change {
		fn(&config)
	}
	store, err := eventstore.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

// Verify demands that the log of db is whole.
func Verify(t testing.TB, db *pgtest.DB) {
	t.Helper()
	report, err := eventstore.Verify(t.Context(), eventstore.NewReader(db.AppPool(t)), eventstore.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, report.OK, "position %d: %s", report.FirstBadPosition, report.Problem)
}

// Stream names a stream.
func Stream(name string) eventstore.StreamID { return eventstore.StreamID{Tenant: Tenant, Name: name} }

// Event returns a new event that carries a number.
func Event(n int64) eventstore.NewEvent { return EventWith(strconv.FormatInt(n, 10)) }

// EventWith returns a new event with any data.
func EventWith(data string) eventstore.NewEvent {
	return eventstore.NewEvent{
		ID: uuid.Must(uuid.NewV7()), Type: "test.added", Schema: 1, Data: []byte(data), Metadata: []byte(`{}`),
		EffectiveAt: time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC),
	}
}

// Append returns the append of events to a stream about nobody.
func Append(name string, events ...eventstore.NewEvent) eventstore.Append {
	return eventstore.Append{Stream: Stream(name), Events: events}
}

// Commit returns a commit that names streams and makes its decision with decide.
func Commit(decide func(eventstore.View) (eventstore.Decision, error), streams ...string) eventstore.Commit {
	c := eventstore.Commit{ID: uuid.Must(uuid.NewV7()), Decide: decide}
	for _, name := range streams {
		c.Streams = append(c.Streams, Stream(name))
	}
	return c
}

// Add returns a commit that adds a number to a stream, whatever stands there.
func Add(name string, n int64) eventstore.Commit {
	event := Event(n)
	return Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{Append(name, event)}}, nil
	}, name)
}

// Value returns the State of a stream in a view.
func Value(v eventstore.View, name string) State {
	state, _ := v.Stream(Stream(name)).Value.(State)
	return state
}
