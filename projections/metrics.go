package projections

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the gauges and counters of the projections that run in a process, labelled with the projection's name. See also RegisterLag.
type Metrics struct {
	position *prometheus.GaugeVec
	halted   *prometheus.GaugeVec
	events   *prometheus.CounterVec
	retries  *prometheus.CounterVec
}

// NewMetrics registers the metrics; it panics when reg has them already, which is a programming fault.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	labels := []string{"projection"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		position: gauge("projection_position", "Position of the last event applied."),
		halted:   gauge("projection_halted", "1 while the projection stands still at an event it can't apply."),
		events:   counter("projection_events_total", "Events applied."),
		retries:  counter("projection_retries_total", "Attempts repeated after a transient error."),
	}
	reg.MustRegister(m.position, m.halted, m.events, m.retries)
	return m
}

// Applied notes that events were applied up to position.
func (m *Metrics) Applied(projection string, position int64, events int) {
	m.position.WithLabelValues(projection).Set(float64(position))
	m.events.WithLabelValues(projection).Add(float64(events))
	m.halted.WithLabelValues(projection).Set(0)
}

// Halted notes that the projection stands still.
func (m *Metrics) Halted(projection string) { m.halted.WithLabelValues(projection).Set(1) }

// Retried notes a transient error.
func (m *Metrics) Retried(projection string) { m.retries.WithLabelValues(projection).Inc() }
