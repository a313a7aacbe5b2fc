package kafkabus_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"payledger/cmd/payledger/internal/kafkabus"
)

// What the certificate of an erasure says of topics is asked of the brokers: a compacted one is told, whatever else it is.
func TestRetentions(t *testing.T) {
	t.Parallel()
	cfg := inProcess(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	require.NoError(t, err)
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	for name, policy := range map[string]string{"deleted": "delete", "compacted": "compact", "both": "compact,delete"} {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
		for key, value := range map[string]string{"cleanup.policy": policy, "retention.ms": "3600000"} {
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name, config.Value = key, &value
			topic.Configs = append(topic.Configs, config)
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	for _, topic := range response.Topics {
		require.NoError(t, kerr.ErrorForCode(topic.ErrorCode))
	}
	found, err := kafkabus.Retentions(t.Context(), cfg, []string{"deleted", "missing", "compacted", "both"})
	require.NoError(t, err)
	require.ElementsMatch(t, []kafkabus.Retention{
		{Topic: "deleted", MS: 3_600_000}, {Topic: "compacted", Compacted: true, MS: -1}, {Topic: "both", Compacted: true, MS: 3_600_000},
	}, found)
}
