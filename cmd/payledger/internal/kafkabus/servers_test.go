//go:build servers

package kafkabus_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
)

// plain returns the real broker named by TEST_KAFKA_BROKERS.
func plain(t testing.TB) kafkabus.Config {
	t.Helper()
	return kafkabus.Config{Brokers: brokers(t, "TEST_KAFKA_BROKERS")}
}

// withSASL returns the real broker's SCRAM listener named by TEST_KAFKA_SASL_BROKERS, user payledger / payledger.
func withSASL(t testing.TB) kafkabus.Config {
	t.Helper()
	return kafkabus.Config{Brokers: brokers(t, "TEST_KAFKA_SASL_BROKERS"), SASLUser: "payledger", SASLPassword: "payledger"}
}

func brokers(t testing.TB, name string) []string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s must name a running Kafka", name)
	return strings.Split(value, ",")
}
