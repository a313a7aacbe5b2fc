package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"payledger/eventstore"
)

func (l *ledger) metricsHandler() http.Handler {
	return promhttp.HandlerFor(l.metrics, promhttp.HandlerOpts{})
}

// storeCollector exports what the writer of the event store counts.
type storeCollector struct {
	store   *eventstore.Store
	waiting *prometheus.Desc
	counts  map[*prometheus.Desc]func(eventstore.Stats) int64
}

func storeMetrics(store *eventstore.Store) prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("eventstore_"+name, help, nil, nil)
	}
	return &storeCollector{
		store:   store,
		waiting: describe("waiting_commits", "Commits that wait for the writer."),
		counts: map[*prometheus.Desc]func(eventstore.Stats) int64{
			describe("batches_total", "Transactions that the writer committed."):                            func(s eventstore.Stats) int64 { return s.Batches },
			describe("commits_total", "Commits that were answered, refusals included."):                     func(s eventstore.Stats) int64 { return s.Commits },
			describe("events_total", "Events that were appended."):                                          func(s eventstore.Stats) int64 { return s.Events },
			describe("redecided_total", "Decisions made again because a stream had moved on."):              func(s eventstore.Stats) int64 { return s.Redecided },
			describe("unread_batches_total", "Batches written in one round trip, since nobody else wrote."): func(s eventstore.Stats) int64 { return s.Unread },
			describe("ahead_batches_total", "Batches decided while the one before was written."):            func(s eventstore.Stats) int64 { return s.Ahead },
			describe("mistaken_batches_total", "Batches that were tried so and had to be read first."):      func(s eventstore.Stats) int64 { return s.Mistaken },
			describe("repeated_batches_total", "Attempts at a batch that failed and were repeated."):        func(s eventstore.Stats) int64 { return s.Repeated },
		},
	}
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.waiting
	for desc := range c.counts {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.store.Stats()
	to <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(stats.Waiting))
	for desc, count := range c.counts {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(count(stats)))
	}
}
