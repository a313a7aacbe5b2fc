package eventstore_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

var errTooMuch = errors.New("too much")

func TestCommitAppendsToManyStreamsAtOnce(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	c := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{
			Appends: []eventstore.Append{
				storetest.Append("a", storetest.Event(1), storetest.Event(2)),
				storetest.Append("b", storetest.Event(3)),
				storetest.Append("a", storetest.Event(4)),
			},
			Answer: &eventstore.Answer{Status: 201, Body: []byte("done")},
			Route:  &eventstore.RouteEvent{Topic: "t", Key: "k", Headers: map[string]string{"b": "\"\x01", "a": "ä\\"}, Body: []byte("{}")},
		}, nil
	}, "a", "b")
	result, err := store.Commit(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{First: 1, Last: 4, Head: 4, Answer: eventstore.Answer{Status: 201, Body: []byte("done")}}, result)

	reader := eventstore.NewReader(db.AppPool(t))
	events, err := reader.ReadAll(t.Context(), 0, 10)
	require.NoError(t, err)
	var got []string
	for _, e := range events {
		require.Equal(t, c.ID, e.CommitID)
		got = append(got, e.Stream.Name+string(e.Data))
	}
	require.Equal(t, []string{"a1", "a2", "b3", "a4"}, got)

	a, err := store.Load(t.Context(), storetest.Stream("a"))
	require.NoError(t, err)
	require.Equal(t, eventstore.StreamState{Version: 3, Position: 4, Value: storetest.State{Count: 3, Sum: 7}}, a)
	none, err := store.Load(t.Context(), storetest.Stream("none"))
	require.NoError(t, err)
	require.Zero(t, none)

	stored, err := store.Lookup(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{First: 1, Last: 4, Head: 4, Replayed: true}, stored)
	_, err = store.Lookup(t.Context(), uuid.New())
	require.ErrorIs(t, err, eventstore.ErrCommitNotFound)

	require.Equal(t, []string{`1 t k {"a":"ä\\","b":"\"\u0001"} {}`}, column(t, db.AppPool(t),
		"SELECT concat_ws(' ', number, topic, key, headers, convert_from(body, 'UTF8')) FROM ledger.route_events"))
}

func TestRefusalComesWithTheHeadItWasMadeAt(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	_, err := store.Commit(t.Context(), storetest.Add("a", 5))
	require.NoError(t, err)
	c := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{}, errTooMuch
	}, "a")
	result, err := store.Commit(t.Context(), c)
	require.ErrorIs(t, err, errTooMuch)
	require.Equal(t, eventstore.Result{Head: 1}, result)
	require.Equal(t, []string{"1"}, column(t, db.AppPool(t), "SELECT count(*)::text FROM ledger.commits"))
}

func TestARouteEventAloneTakesNoPosition(t *testing.T) {
	t.Parallel()
	store, db := storetest.Open(t)
	_, err := store.Commit(t.Context(), storetest.Add("a", 5))
	require.NoError(t, err)
	read := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Route: &eventstore.RouteEvent{Topic: "read"}}, nil
	})
	result, err := store.Commit(t.Context(), read)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{Head: 1}, result)
	stored, err := store.Lookup(t.Context(), read.ID)
	require.NoError(t, err)
	require.Equal(t, eventstore.Result{Head: 1, Replayed: true}, stored)
	result, err = store.Commit(t.Context(), storetest.Add("a", 5))
	require.NoError(t, err)
	require.EqualValues(t, 2, result.Last)
	storetest.Verify(t, db)
}

// column returns the texts of a query's one column.
func column(t *testing.T, pool *pgxpool.Pool, sql string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	require.NoError(t, err)
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}
