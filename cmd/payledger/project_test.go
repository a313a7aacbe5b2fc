package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/config"
)

// A projection that is named twice runs once: its metrics are there once.
func TestNamedTwiceRunsOnce(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]string{"KAFKA_BROKERS=127.0.0.1:1"})
	require.NoError(t, err)
	names, err := chooseProjections(cfg, []string{"publisher", "tables", "publisher", "selfaudit", "selfaudit"})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"publisher", "selfaudit", "tables"}, names)
}
