package projections

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"payledger/readmodels/checkpoints"
)

// lagTimeout bounds the question that a scrape asks.
const lagTimeout = 2 * time.Second

// lagCollector tells at each scrape how far projections are behind the log. It asks the database: what an outage keeps from going on, what is
// halted and what nobody runs shows like everything else.
type lagCollector struct {
	pool            *pgxpool.Pool
	log             *slog.Logger
	names           []string
	versions        []int
	events, seconds *prometheus.Desc
}

// RegisterLag adds the lag of projections to the metrics of reg; it panics when reg has them already, which is a programming fault. While the
// database doesn't answer there is none.
func RegisterLag(reg prometheus.Registerer, pool *pgxpool.Pool, log *slog.Logger, of ...checkpoints.Projection) {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"projection"}, nil)
	}
	c := &lagCollector{
		pool: pool, log: log,
		events:  describe("projection_lag_events", "Events of the log that are not applied yet."),
		seconds: describe("projection_lag_seconds", "Age of the oldest event that is not applied yet, in seconds; 0 when none is."),
	}
	for _, p := range of {
		c.names, c.versions = append(c.names, p.Name), append(c.versions, p.Version)
	}
	reg.MustRegister(c)
}

// Describe implements prometheus.Collector.
func (c *lagCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.events
	to <- c.seconds
}

// After a restore a checkpoint may stand beyond the head, until migrate --new-epoch: then nothing waits.
const sqlLag = `
SELECT w.projection, greatest(0, head.position - coalesce(c.position, 0))::float8,
       greatest(0, coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0))::float8
FROM unnest($1::text[], $2::integer[]) AS w (projection, version) CROSS JOIN ledger.head
LEFT JOIN ledger.checkpoints c ON c.projection = w.projection AND c.version = w.version
LEFT JOIN ledger.events next ON next.position = coalesce(c.position, 0) + 1`

// Collect implements prometheus.Collector.
func (c *lagCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lagTimeout)
	defer cancel()
	var name string
	var events, seconds float64 //nolint:forbidigo // what Prometheus counts in
	rows, err := c.pool.Query(ctx, sqlLag, c.names, c.versions)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&name, &events, &seconds}, func() error {
			to <- prometheus.MustNewConstMetric(c.events, prometheus.GaugeValue, events, name)
			to <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, seconds, name)
			return nil
		})
	}
	if err != nil {
		c.log.WarnContext(ctx, "the lag of the projections is not known", slog.Any("error", err))
	}
}
