package kafkabus_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/internal/ledgertest"
	"payledger/projections/publisher"
	"payledger/readmodels/compare"
)

func (w *world) compareTail(t testing.TB, known ...compare.Place) publisher.Compared {
	t.Helper()
	compared, err := publisher.CompareTail(t.Context(), w.source(), kafkabus.ReadTail(w.cfg), known)
	require.NoError(t, err)
	return compared
}

// put sends a message as it shouldn't be: the last one of a topic, changed.
func (w *world) put(t testing.TB, m kafkabus.Message, change func(*message.Message)) compare.Place {
	t.Helper()
	meta := message.Metadata{publisher.KeyMetadata: m.Key}
	maps.Copy(meta, m.Headers)
	msg := &message.Message{Metadata: meta, Payload: append([]byte{}, m.Value...)}
	place := compare.Place{Tenant: m.Headers["ledger-tenant"], Object: m.Topic, ID: m.Headers["ce_id"]}
	change(msg)
	bus, err := kafkabus.NewPublisher(w.cfg)
	require.NoError(t, err)
	require.NoError(t, bus.Publish(m.Topic, msg))
	require.NoError(t, bus.Close())
	return place
}

// sendAgain puts one topic right at one position.
func (w *world) sendAgain(t testing.TB, topic string, position int64) {
	t.Helper()
	r := w.replay(t, topic)
	r.From, r.Until, r.Filter.Topics = position, position, []string{topic}
	_, err := publisher.Republish(t.Context(), r)
	require.NoError(t, err)
}

// What was published is what the log says, also when part of it came twice, was sent again, or shows a person who was erased since.
func TestHonestTailIsNoDrift(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 62)
	w := worldOf(t, plain(t), l)
	require.Empty(t, w.compareTail(t), "nothing was published yet")
	w.foundAll(t)
	stop := w.publish(t)
	l.Random(t, 150)
	w.published(t)
	require.NoError(t, stop())
	for _, user := range l.Users {
		l.Erase(t, user)
	}
	compared := w.compareTail(t)
	require.Empty(t, compared.Differences)
	require.Greater(t, len(compared.Equal), 128)

	_, err := w.projector.Exec(t.Context(), "UPDATE ledger.cursors SET position = position - 20 WHERE name <> 'route'")
	require.NoError(t, err)
	require.Empty(t, w.compareTail(t).Differences, "cursors that are behind")
	stop = w.publish(t)
	w.published(t)
	require.NoError(t, stop())
	w.sendAgain(t, w.names.DB("fee", "created"), 1)
	require.Empty(t, w.compareTail(t).Differences)
}

// Each message that isn't what the log says is found, and no longer once it is sent again.
func TestDriftOfTheTailIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 14) // more than the window
	w.published(t)
	require.NoError(t, stop())
	require.Empty(t, w.compareTail(t).Differences)
	all := w.messages(t)
	require.Greater(t, len(w.log(t)), 150)

	last := func(topic string) kafkabus.Message { some := where(all, topic); return some[len(some)-1] }
	for _, c := range []struct {
		what   string
		of     kafkabus.Message
		change func(*message.Message)
	}{
		{"changed: value", last(w.names.DB("fee", "updated")), func(m *message.Message) { m.Payload = []byte(strings.Replace(string(m.Payload), `"USD"`, `"EUR"`, 1)) }},
		{"changed: value", last(w.names.Journal()), func(m *message.Message) { m.Payload = append(m.Payload, ' ') }},
		{"changed: key", last(w.names.Index("fee", "extended")), func(m *message.Message) { m.Metadata[publisher.KeyMetadata] = "another" }},
		{"changed: header ledger-hash", last(w.names.Journal()), func(m *message.Message) { m.Metadata["ledger-hash"] = strings.Repeat("0", 64) }},
		{"changed: header traceparent", last(w.names.DB("feeEvent", "created")), func(m *message.Message) { delete(m.Metadata, "traceparent") }},
		{"changed: further headers", last(w.names.Route("fee-updated")), func(m *message.Message) { m.Metadata["x-more"] = "1" }},
		{"changed: value", where(all, w.names.DB("fee", "created"))[0], func(m *message.Message) { m.Payload = []byte(`{}`) }}, // before the window
	} {
		place := w.put(t, c.of, c.change)
		compared := w.compareTail(t, place)
		require.Len(t, compared.Differences, 1, c.what)
		require.Equal(t, place, compared.Differences[0].Place)
		require.Equal(t, c.what, compared.Differences[0].What)
		require.EqualValues(t, positionOf(t, c.of), compared.Differences[0].Wanted.Value("position"))
		w.sendAgain(t, c.of.Topic, positionOf(t, c.of))
		compared = w.compareTail(t, place)
		require.Empty(t, compared.Differences)
		require.True(t, compared.Equal[place])
	}
}

// Cursors that stand behind what was never sent: all of it is missing, until it is sent again.
func TestMissingMessagesAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 1)
	w.published(t)
	require.NoError(t, stop())
	id := w.assess(t, 100)
	position := int64(len(w.log(t)))
	require.Empty(t, w.compareTail(t).Differences, "not published yet")
	_, err := w.projector.Exec(t.Context(), "UPDATE ledger.cursors c SET position = CASE name WHEN 'route' THEN h.route ELSE h.position END FROM ledger.head h")
	require.NoError(t, err)

	missing := map[string]bool{}
	for _, d := range w.compareTail(t).Differences {
		require.Equal(t, "missing", d.What)
		require.Equal(t, "fee-"+id, d.Stream.Name)
		missing[d.Object] = true
	}
	require.Equal(t, map[string]bool{
		w.names.Journal(): true, w.names.DB("fee", "created"): true, w.names.DB("feeEvent", "created"): true, w.names.Index("fee", "created"): true,
		w.names.Index("feeEvent", "created"): true, w.names.Route("fee-created"): true,
	}, missing)
	for topic := range missing {
		w.sendAgain(t, topic, position)
	}
	require.Empty(t, w.compareTail(t).Differences)
}
