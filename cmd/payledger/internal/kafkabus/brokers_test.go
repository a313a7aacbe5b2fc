package kafkabus_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

const (
	patience     = 30 * time.Second
	publishEvery = 20 * time.Millisecond
)

// names returns topic names of the test's own: a real broker is shared.
func names() publisher.TopicConfig {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	return publisher.TopicConfig{LibraryService: "t" + id + "-service", LibraryIndexPrefix: "t" + id}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// collect reads topics from their beginning until want returns true.
func collect(t testing.TB, cfg kafkabus.Config, topics []publisher.Topic, want func([]kafkabus.Message) bool) []kafkabus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []kafkabus.Message
	done := false
	require.NoError(t, kafkabus.Tail(ctx, cfg, topicNames(topics), 0, func(m kafkabus.Message) error {
		all = append(all, m)
		if !done && want(all) {
			done = true
			cancel()
		}
		return nil
	}))
	require.True(t, done, "messages that were waited for did not come, only %d", len(all))
	return all
}

func topicNames(topics []publisher.Topic) []string {
	all := make([]string, 0, len(topics))
	for _, topic := range topics {
		all = append(all, topic.Topic)
	}
	return all
}

// startFake starts a broker in this process; it ends with the test.
func startFake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(4)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

// inProcess returns a broker in this process, for tests to which the broker is all the same and that make hundreds of topics: a real
// Kafka takes minutes for them.
func inProcess(t testing.TB) kafkabus.Config {
	t.Helper()
	return kafkabus.Config{Brokers: startFake(t).ListenAddrs()}
}
