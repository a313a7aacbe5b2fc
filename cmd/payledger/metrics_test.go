package main

import (
	"context"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/config"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/projections"
	"payledger/projections/publisher"
	"payledger/projections/selfaudit"
)

// described keeps the names of what is registered.
type described struct {
	prometheus.Registerer
	names []string
}

var metricName = regexp.MustCompile(`fqName: "(\w+)"`)

func (d *described) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		descs := make(chan *prometheus.Desc)
		go func() { c.Describe(descs); close(descs) }()
		for desc := range descs {
			d.names = append(d.names, metricName.FindStringSubmatch(desc.String())[1])
		}
	}
}

// The runbook tells of every metric of ours, and of no other. Those of the API have a test of their own.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	var have described
	have.MustRegister(storeMetrics(nil))
	projections.NewMetrics(&have)
	projections.RegisterLag(&have, nil, slog.New(slog.DiscardHandler))
	publisher.NewMetrics(&have)
	publisher.RegisterLag(&have, nil, slog.New(slog.DiscardHandler))
	selfaudit.NewMetrics(&have)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "runbook.md"))
	require.NoError(t, err)
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:eventstore|projection|publisher|selfaudit)_\\w+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told = append(told, row[1])
	}
	require.ElementsMatch(t, have.names, told)
}

// A process tells the lag of what it was told to run, though Kafka isn't there and nothing gets on.
func TestProjectTellsItsLag(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	cfg, err := config.Parse([]string{
		"PROJECTOR_DATABASE_URL=" + db.ProjectorURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "KAFKA_BROKERS=127.0.0.1:1",
	})
	require.NoError(t, err)
	l, err := openLedger(t.Context(), cfg, projectorRole(cfg), slog.New(slog.DiscardHandler), newRegistry(), time.Now)
	require.NoError(t, err)
	defer l.close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.project(ctx, []string{"tables", "publisher"}) }()
	want := []string{
		"projection_lag_seconds publisher", "projection_lag_seconds tables", "publisher_lag_seconds db", "publisher_lag_seconds index", "publisher_lag_seconds route",
	}
	require.Eventually(t, func() bool { return slices.Equal(want, lags(t, l.metrics)) }, 30*time.Second, 20*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

// lags are the metrics of a lag in seconds, with their labels, in order.
func lags(t *testing.T, metrics *prometheus.Registry) (told []string) {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if name := family.GetName(); strings.HasSuffix(name, "_lag_seconds") {
				told = append(told, name+" "+m.GetLabel()[0].GetValue())
			}
		}
	}
	slices.Sort(told)
	return told
}
