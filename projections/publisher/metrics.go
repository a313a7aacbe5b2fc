package publisher

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"payledger/projections"
)

// Metrics are what the publisher counts.
type Metrics struct {
	messages *prometheus.CounterVec
	retries  prometheus.Counter
	halted   prometheus.Gauge
}

// NewMetrics registers the metrics; it panics when reg has them already, which is a programming fault.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "publisher_messages_total", Help: "Messages acknowledged by Kafka."}, []string{"kind"}),
		retries:  prometheus.NewCounter(prometheus.CounterOpts{Name: "publisher_retries_total", Help: "Messages that Kafka didn't take at once."}),
		halted:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "publisher_halted", Help: "1 while the publisher stands still because it can't go on."}),
	}
	reg.MustRegister(m.messages, m.retries, m.halted)
	return m
}

// sent counts an acknowledged message.
func (m *Metrics) sent(kind Kind) { m.messages.WithLabelValues(string(kind)).Inc() }

// RegisterLag adds the cursors and how far they are behind the log to the metrics of reg, whether or not a publisher gets on; it panics when reg has
// them already, which is a programming fault. They are asked of the database: while that doesn't answer there are none.
func RegisterLag(reg prometheus.Registerer, pool *pgxpool.Pool, log *slog.Logger) {
	labels := []string{"cursor"}
	reg.MustRegister(&projections.LagCollector{Pool: pool, Log: log, SQL: sqlLag, Gauges: []*prometheus.Desc{
		prometheus.NewDesc("publisher_cursor_position", "Position up to which Kafka has acknowledged everything; a number of route events for the cursor route.", labels, nil),
		prometheus.NewDesc("publisher_lag_positions", "Positions that are not acknowledged yet.", labels, nil),
		prometheus.NewDesc("publisher_lag_seconds", "Age of the oldest position that is not acknowledged yet, in seconds; 0 when none is.", labels, nil),
	}})
}

// After a restore a cursor may stand beyond the end, until migrate --new-epoch: then nothing waits. Route events that wait are never trimmed.
const sqlLag = `
SELECT c.name, c.position::float8, greatest(0, CASE c.name WHEN 'route' THEN head.route ELSE head.position END - c.position)::float8,
       greatest(0, coalesce(extract(epoch FROM clock_timestamp() - CASE c.name WHEN 'route' THEN route.recorded_at ELSE event.recorded_at END), 0))::float8
FROM ledger.cursors c CROSS JOIN ledger.head
LEFT JOIN ledger.events event ON c.name <> 'route' AND event.position = c.position + 1
LEFT JOIN ledger.route_events route ON c.name = 'route' AND route.number = c.position + 1
WHERE c.name IN ('db', 'index', 'route')`
