package kafkabus_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
)

// After a restore and a new epoch the cursors stand at the head while the publisher's checkpoint is at 0. A route event alone moves on;
// what is stored with it must not look like another log at the next start.
func TestPublisherGoesOnAfterANewEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.assess(t, 100)
	w.published(t)
	require.NoError(t, stop())
	head, err := w.reader.Head(t.Context())
	require.NoError(t, err)
	// The backup is older than what was published.
	w.asSuperuser(t, `UPDATE ledger.checkpoints SET position = position + 5, hash = decode(repeat('ee', 32), 'hex') WHERE projection = 'publisher';
		UPDATE ledger.cursors SET position = position + 5`)
	change, err := eventstore.NewEpoch(t.Context(), w.db.OwnerURL, 0)
	require.NoError(t, err)
	require.Contains(t, change.Emptied, "publisher/1")
	require.Equal(t, []string{"db", "index", "route"}, change.Lowered)
	require.Equal(t, map[string]int64{"db": head.Position, "index": head.Position, "route": head.Route}, w.cursors(t))
	w.foundAll(t)

	stop = w.publish(t)
	_, err = w.service.Store.Commit(t.Context(), eventstore.Commit{
		ID: uuid.Must(uuid.NewV7()),
		Decide: func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Route: &eventstore.RouteEvent{Topic: w.names.Route("fee-updated"), Key: "request-1", Body: []byte(`{}`)}}, nil
		},
	})
	require.NoError(t, err)
	w.published(t)
	require.NoError(t, stop())

	stop = w.publish(t)
	w.assess(t, 100)
	w.published(t)
	require.NoError(t, stop())

	// A backup doesn't know the epoch, the journal does.
	last, err := kafkabus.LastEpoch(t.Context(), w.cfg, w.names.Journal(), time.Now())
	require.NoError(t, err)
	require.EqualValues(t, 2, last)
	last, err = kafkabus.LastEpoch(t.Context(), w.cfg, w.names.Journal()+"-of-nobody", time.Now())
	require.NoError(t, err)
	require.Zero(t, last)
}
