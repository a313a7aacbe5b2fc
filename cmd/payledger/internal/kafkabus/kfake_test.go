//go:build !servers

package kafkabus_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"payledger/cmd/payledger/internal/kafkabus"
)

// plain returns a broker without authentication.
func plain(t testing.TB) kafkabus.Config {
	t.Helper()
	return inProcess(t)
}

// withSASL returns a broker that wants SCRAM-SHA-256 as payledger / payledger.
func withSASL(t testing.TB) kafkabus.Config {
	t.Helper()
	cluster := startFake(t, kfake.EnableSASL(), kfake.Superuser(kafkabus.ScramSHA256, "payledger", "payledger"))
	return kafkabus.Config{Brokers: cluster.ListenAddrs(), SASLUser: "payledger", SASLPassword: "payledger"}
}
