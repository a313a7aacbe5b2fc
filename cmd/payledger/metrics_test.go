package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

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
