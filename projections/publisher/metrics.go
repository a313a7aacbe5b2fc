package publisher

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
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

// lagTimeout bounds the question that a scrape asks.
const lagTimeout = 2 * time.Second

// lagCollector tells at each scrape where the cursors stand, whether or not a publisher gets on.
type lagCollector struct {
	pool                   *pgxpool.Pool
	log                    *slog.Logger
	position, lag, seconds *prometheus.Desc
}

// RegisterLag adds the cursors and how far they are behind the log to the metrics of reg; it panics when reg has them already, which is a programming
// fault. They are asked of the database: while that doesn't answer there are none.
func RegisterLag(reg prometheus.Registerer, pool *pgxpool.Pool, log *slog.Logger) {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("publisher_"+name, help, []string{"cursor"}, nil)
	}
	reg.MustRegister(&lagCollector{
		pool: pool, log: log,
		position: describe("cursor_position", "Position up to which Kafka has acknowledged everything; a number of route events for the cursor route."),
		lag:      describe("lag_positions", "Positions that are not acknowledged yet."),
		seconds:  describe("lag_seconds", "Age of the oldest position that is not acknowledged yet, in seconds; 0 when none is."),
	})
}

// Describe implements prometheus.Collector.
func (c *lagCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.position
	to <- c.lag
	to <- c.seconds
}

// After a restore a cursor may stand beyond the end, until migrate --new-epoch: then nothing waits. Route events that wait are never trimmed.
const sqlLag = `
SELECT c.name, c.position::float8, greatest(0, CASE c.name WHEN 'route' THEN head.route ELSE head.position END - c.position)::float8,
       greatest(0, coalesce(extract(epoch FROM clock_timestamp() - CASE c.name WHEN 'route' THEN route.recorded_at ELSE event.recorded_at END), 0))::float8
FROM ledger.cursors c CROSS JOIN ledger.head
LEFT JOIN ledger.events event ON c.name <> 'route' AND event.position = c.position + 1
LEFT JOIN ledger.route_events route ON c.name = 'route' AND route.number = c.position + 1
WHERE c.name IN ('db', 'index', 'route')`

// Collect implements prometheus.Collector.
func (c *lagCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lagTimeout)
	defer cancel()
	var cursor string
	var position, lag, seconds float64
	rows, err := c.pool.Query(ctx, sqlLag)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&cursor, &position, &lag, &seconds}, func() error {
			to <- prometheus.MustNewConstMetric(c.position, prometheus.GaugeValue, position, cursor)
			to <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, lag, cursor)
			to <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, seconds, cursor)
			return nil
		})
	}
	if err != nil {
		c.log.WarnContext(ctx, "the lag of the publisher is not known", slog.Any("error", err))
	}
}
