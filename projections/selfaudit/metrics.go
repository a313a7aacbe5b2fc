package selfaudit

import "github.com/prometheus/client_golang/prometheus"

// Metrics say what the self-audit has looked at and found.
type Metrics struct {
	drift   *prometheus.GaugeVec
	streams prometheus.Counter
	rounds  prometheus.Counter
}

// NewMetrics registers the metrics; it panics when reg has them already, which is a programming fault.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		drift: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "selfaudit_drift", Help: "Places of a read model where something else stands than the log says.",
		}, []string{"projection"}),
		streams: prometheus.NewCounter(prometheus.CounterOpts{Name: "selfaudit_streams_total", Help: "Streams folded again and compared."}),
		rounds:  prometheus.NewCounter(prometheus.CounterOpts{Name: "selfaudit_rounds_total", Help: "Whole rounds over all streams and rows."}),
	}
	reg.MustRegister(m.drift, m.streams, m.rounds)
	return m
}

func (m *Metrics) looked(streams int) { m.streams.Add(float64(streams)) }

// found sets how much drift there is; projections without any show 0.
func (m *Metrics) found(projections []string, counts map[string]int64) {
	for _, name := range projections {
		m.drift.WithLabelValues(name).Set(0)
	}
	for name, n := range counts {
		m.drift.WithLabelValues(name).Set(float64(n))
	}
}
