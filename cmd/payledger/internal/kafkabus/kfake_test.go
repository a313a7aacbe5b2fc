//go:build !servers

package kafkabus_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"payledger/cmd/payledger/internal/kafkabus"
)

// plain returns a broker without authentication.
func plain(t testing.TB) kafkabus.Config {
	t.Helper()
	return kafkabus.Config{Brokers: startFake(t).ListenAddrs()}
}

// withSASL returns a broker that wants SCRAM-SHA-256 as payledger / payledger.
func withSASL(t testing.TB) kafkabus.Config {
	t.Helper()
	cluster := startFake(t, kfake.EnableSASL(), kfake.Superuser(kafkabus.ScramSHA256, "payledger", "payledger"))
	return kafkabus.Config{Brokers: cluster.ListenAddrs(), SASLUser: "payledger", SASLPassword: "payledger"}
}

// startFake starts a broker in this process; it ends with the test.
func startFake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(4)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}
