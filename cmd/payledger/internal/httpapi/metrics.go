package httpapi

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by route, method and status: never by id.
type metrics struct {
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "payledger_http_request_duration_seconds", Help: "Time from a request's arrival to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payledger_http_panics_total", Help: "Requests that ran into a programming fault.",
		}),
	}
	if err := errors.Join(r.Register(m.duration), r.Register(m.panics)); err != nil {
		return nil, fmt.Errorf("metrics of the API: %w", err)
	}
	return m, nil
}

func (m *metrics) observe(rt *route, status int, elapsed time.Duration) {
	method := rt.method
	if method == "" { // what no route serves: the caller's method is not ours to make labels of
		method = "other"
	}
	m.duration.WithLabelValues(rt.path, method, strconv.Itoa(status)).Observe(elapsed.Seconds())
}
