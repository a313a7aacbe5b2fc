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

// LagCollector tells at each scrape how far somebody is behind the log. It asks the database: what an outage keeps from going on, what is
// halted and what nobody runs shows like everything else. While the database doesn't answer there is nothing, and a warning is logged.
type LagCollector struct {
	Pool   *pgxpool.Pool
	Log    *slog.Logger
	SQL    string // gives rows of a label and a number for each gauge
	Args   []any
	Gauges []*prometheus.Desc // each with one label
}

// RegisterLag adds the lag of projections to the metrics of reg; it panics when reg has them already, which is a programming fault. While the
// database doesn't answer there is none.
func RegisterLag(reg prometheus.Registerer, pool *pgxpool.Pool, log *slog.Logger, of ...checkpoints.Projection) {
	var names []string
	var versions []int
	for _, p := range of {
		names, versions = append(names, p.Name), append(versions, p.Version)
	}
	labels := []string{"projection"}
	reg.MustRegister(&LagCollector{Pool: pool, Log: log, SQL: sqlLag, Args: []any{names, versions}, Gauges: []*prometheus.Desc{
		prometheus.NewDesc("projection_lag_events", "Events of the log that are not applied yet.", labels, nil),
		prometheus.NewDesc("projection_lag_seconds", "Age of the oldest event that is not applied yet, in seconds; 0 when none is.", labels, nil),
	}})
}

// After a restore a checkpoint may stand beyond the head, until migrate --new-epoch: then nothing waits.
const sqlLag = `
SELECT w.projection, greatest(0, head.position - coalesce(c.position, 0))::float8,
       greatest(0, coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0))::float8
FROM unnest($1::text[], $2::integer[]) AS w (projection, version) CROSS JOIN ledger.head
LEFT JOIN ledger.checkpoints c ON c.projection = w.projection AND c.version = w.version
LEFT JOIN ledger.events next ON next.position = coalesce(c.position, 0) + 1`

// Describe implements prometheus.Collector.
func (c *LagCollector) Describe(to chan<- *prometheus.Desc) {
	for _, gauge := range c.Gauges {
		to <- gauge
	}
}

// Collect implements prometheus.Collector.
func (c *LagCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lagTimeout)
	defer cancel()
	var label string
	values := make([]float64, len(c.Gauges)) //nolint:forbidigo // what Prometheus counts in
	row := []any{&label}
	for i := range values {
		row = append(row, &values[i])
	}
	rows, err := c.Pool.Query(ctx, c.SQL, c.Args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, row, func() error {
			for i, gauge := range c.Gauges {
				to <- prometheus.MustNewConstMetric(gauge, prometheus.GaugeValue, values[i], label)
			}
			return nil
		})
	}
	if err != nil {
		c.Log.WarnContext(ctx, "the lag behind the log is not known", slog.Any("error", err))
	}
}
