package kafkabus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections/publisher"
)

// TestTextsOfRouteEvents reads a route topic to its end and finds which messages show texts of one person: not those without, of others, of another
// tenant, or of after the erasure. Their tombstones show none, and are told from another erasure's.
func TestTextsOfRouteEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	assess := func(user, note string) (position int64) {
		_, err := w.service.AssessFee(t.Context(), w.request("fee-created"), commands.NewFee{
			FeeID: uuid.Must(uuid.NewV7()).String(), UserID: user, Amount: usd(100), Note: note,
		})
		require.NoError(t, err)
		head, err := w.reader.Head(t.Context())
		require.NoError(t, err)
		return head.Position
	}
	ann, bob := uuid.NewString(), uuid.NewString()
	said := assess(ann, "annsecret")
	assess(ann, "")
	assess(bob, "bobsecret")
	later := assess(ann, "latersecret")

	waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, publisher.AwaitRoutes(waiting, w.projector, 4), context.DeadlineExceeded, "nothing is published")
	w.publish(t)
	require.NoError(t, publisher.AwaitRoutes(t.Context(), w.projector, 4))

	topic := w.names.Route("fee-created")
	shown := func(who eventstore.Person, upTo int64) (positions []string) {
		require.NoError(t, kafkabus.ReadTopic(t.Context(), w.cfg, topic, patience, func(m publisher.Sent) {
			if m.ShowsTexts(who, upTo) {
				positions = append(positions, m.Headers["ledger-position"])
			}
		}))
		return positions
	}
	who := eventstore.Person{Tenant: "main", Subject: ann}
	require.ElementsMatch(t, []string{fmt.Sprint(said), fmt.Sprint(later)}, shown(who, later))
	require.Equal(t, []string{fmt.Sprint(said)}, shown(who, later-1))
	require.Empty(t, shown(eventstore.Person{Tenant: "branch", Subject: ann}, later))
	require.Empty(t, shown(eventstore.Person{Tenant: "main", Subject: ann[1:]}, later))

	erasure := &catalog.Event{Position: 7, Epoch: 1}
	other := &catalog.Event{Position: 8, Epoch: 1}
	bus, err := kafkabus.NewPublisher(w.cfg)
	require.NoError(t, err)
	require.NoError(t, bus.Publish(topic, publisher.Tombstone(w.source(), erasure, topic, "fee", "key")))
	require.NoError(t, bus.Close())
	var last publisher.Sent
	require.NoError(t, kafkabus.ReadTopic(t.Context(), w.cfg, topic, patience, func(m publisher.Sent) { last = m }))
	require.Equal(t, "key", last.Key)
	require.True(t, last.IsTombstone(erasure))
	require.False(t, last.IsTombstone(other))
	require.ElementsMatch(t, []string{fmt.Sprint(said), fmt.Sprint(later)}, shown(who, later))

	require.ErrorIs(t, kafkabus.ReadTopic(t.Context(), w.cfg, topic, time.Nanosecond, func(publisher.Sent) {}), context.DeadlineExceeded)
	require.NoError(t, kafkabus.ReadTopic(t.Context(), w.cfg, w.names.Route("feeevent-created"), patience, func(m publisher.Sent) { t.Error(m) }), "an empty one")
}
