package publisher

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the publisher's gauges and counters.
type Metrics struct {
	position   *prometheus.GaugeVec
	lag        *prometheus.GaugeVec
	lagSeconds *prometheus.GaugeVec
	messages   *prometheus.CounterVec
	retries    prometheus.Counter
	halted     prometheus.Gauge
}

// NewMetrics registers the metrics; it panics when reg has them already, which is a programming fault.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	byCursor := []string{"cursor"}
	m := &Metrics{
		position:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "publisher_cursor_position", Help: "Position up to which Kafka has acknowledged everything; a number of route events for the cursor route."}, byCursor),
		lag:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "publisher_lag_positions", Help: "Positions that are not acknowledged yet."}, byCursor),
		lagSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "publisher_lag_seconds", Help: "Age of the oldest position that is not acknowledged yet, in seconds; 0 when none is."}, byCursor),
		messages:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "publisher_messages_total", Help: "Messages acknowledged by Kafka."}, []string{"kind"}),
		retries:    prometheus.NewCounter(prometheus.CounterOpts{Name: "publisher_retries_total", Help: "Messages that Kafka didn't take at once."}),
		halted:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "publisher_halted", Help: "1 while the publisher stands still because it can't go on."}),
	}
	reg.MustRegister(m.position, m.lag, m.lagSeconds, m.messages, m.retries, m.halted)
	return m
}

// sent counts an acknowledged message.
func (m *Metrics) sent(kind Kind) { m.messages.WithLabelValues(string(kind)).Inc() }

// measureEvery is how often the end of the log is read to tell the lag.
const measureEvery = time.Second

// lagClock tells since when a cursor is behind: from the event that it waits for, or, while that wasn't read yet, from when
// the cursor was first seen to lag there.
type lagClock struct {
	position int64
	since    time.Time
}

func (c *lagClock) lag(now time.Time, acked, head int64, oldest time.Time) time.Duration {
	if acked >= head {
		c.since = time.Time{}
		return 0
	}
	if c.since.IsZero() || c.position != acked {
		c.position, c.since = acked, now
	}
	if !oldest.IsZero() {
		c.since = oldest
	}
	return max(0, now.Sub(c.since))
}

// measure sets the gauges; oldest says since when the oldest position in hand waits.
func (s *session) measure(ctx context.Context, at cursors, oldest [3]time.Time) error {
	now := s.Now()
	if now.Sub(s.measured) < measureEvery {
		return nil
	}
	s.measured = now
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return err
	}
	for i, c := range []struct {
		name        string
		acked, head int64
	}{{cursorDB, at.db, head.Position}, {cursorIndex, at.index, head.Position}, {cursorRoute, at.route, head.Route}} {
		s.Metrics.position.WithLabelValues(c.name).Set(float64(c.acked))
		s.Metrics.lag.WithLabelValues(c.name).Set(float64(max(0, c.head-c.acked)))
		s.Metrics.lagSeconds.WithLabelValues(c.name).Set(s.lag[i].lag(now, c.acked, c.head, oldest[i]).Seconds())
	}
	return nil
}
