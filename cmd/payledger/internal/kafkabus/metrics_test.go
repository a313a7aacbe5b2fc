package kafkabus_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"payledger/projections/publisher"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	registry := prometheus.NewPedanticRegistry()
	publisher.RegisterLag(registry, w.projector, discard())
	requireLag := func(positions, routes float64) {
		t.Helper()
		for cursor, want := range map[string]float64{"db": positions, "index": positions, "route": routes} {
			require.InDelta(t, want, gauge(t, registry, "publisher_lag_positions", cursor), 0, cursor)
			require.Equal(t, want > 0, gauge(t, registry, "publisher_lag_seconds", cursor) > 0, cursor)
			require.Zero(t, gauge(t, registry, "publisher_cursor_position", cursor))
		}
	}
	requireLag(0, 0)
	id := w.assess(t, 1250)
	requireLag(1, 1) // nobody publishes
	tried := make(chan struct{}, 100)
	stop := w.publish(t, func(c *publisher.Config) {
		c.Connect = func(context.Context) (message.Publisher, error) {
			tried <- struct{}{}
			return nil, publisher.ErrBroker
		}
	})
	<-tried
	<-tried
	requireLag(1, 1) // Kafka is away
	before := gauge(t, registry, "publisher_lag_seconds", "db")
	require.Greater(t, gauge(t, registry, "publisher_lag_seconds", "db"), before)
	require.NoError(t, stop())

	stop = w.publish(t, func(c *publisher.Config) { c.Metrics = publisher.NewMetrics(registry) })
	w.pay(t, 200, share(id, 200))
	// The documents can't be found yet: the index cursor is behind, and says for how long.
	says := func(want string) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(registry, strings.NewReader(want), "publisher_lag_positions", "publisher_cursor_position", "publisher_messages_total", "publisher_halted") == nil
		}
	}
	require.Eventually(t, says(metricsText("3", "0", "3", "0")), patience, publishEvery)
	require.Eventually(t, func() bool { return gauge(t, registry, "publisher_lag_seconds", "index") > 0 }, patience, publishEvery)
	require.Zero(t, gauge(t, registry, "publisher_lag_seconds", "db"))
	w.foundAll(t)
	require.Eventually(t, says(metricsText("3", "3", "0", "7")), patience, publishEvery)
	require.Eventually(t, func() bool { return gauge(t, registry, "publisher_lag_seconds", "index") == 0 }, patience, publishEvery)
	require.NoError(t, stop())
	w.assess(t, 1) // nobody publishes any more
	require.InDelta(t, 1, gauge(t, registry, "publisher_lag_positions", "index"), 0)
	require.Positive(t, gauge(t, registry, "publisher_lag_seconds", "route"))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// metricsText is what is gathered after an assessed and partly paid fee.
func metricsText(db, index, lag, indexMessages string) string {
	text := `# HELP publisher_cursor_position Position up to which Kafka has acknowledged everything; a number of route events for the cursor route.
# TYPE publisher_cursor_position gauge
publisher_cursor_position{cursor="db"} ` + db + `
publisher_cursor_position{cursor="index"} ` + index + `
publisher_cursor_position{cursor="route"} 1
# HELP publisher_halted 1 while the publisher stands still because it can't go on.
# TYPE publisher_halted gauge
publisher_halted 0
# HELP publisher_lag_positions Positions that are not acknowledged yet.
# TYPE publisher_lag_positions gauge
publisher_lag_positions{cursor="db"} 0
publisher_lag_positions{cursor="index"} ` + lag + `
publisher_lag_positions{cursor="route"} 0
# HELP publisher_messages_total Messages acknowledged by Kafka.
# TYPE publisher_messages_total counter
publisher_messages_total{kind="db"} 5
`
	if indexMessages != "0" {
		text += `publisher_messages_total{kind="index"} ` + indexMessages + "\n"
	}
	return text + `publisher_messages_total{kind="journal"} 3
publisher_messages_total{kind="route"} 1
`
}

func gauge(t testing.TB, registry *prometheus.Registry, name, cursor string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == cursor {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s for %s", name, cursor)
	return 0
}
