package main

import (
	"context"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerRole is the argument that makes this program a Kafka broker, so that its work isn't counted as ours.
const brokerRole = "broker"

// partitions of each topic.
const partitions = 4

// serveBroker runs an in-memory broker, prints its address and ends with ctx or when nobody holds stdin any more.
func serveBroker(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(partitions))
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	defer cluster.Close()
	if _, err := fmt.Fprintln(stdout, cluster.ListenAddrs()[0]); err != nil {
		return fmt.Errorf("say where the broker is: %w", err)
	}
	orphaned := make(chan struct{})
	go func() {
		defer close(orphaned)
		_, _ = io.Copy(io.Discard, stdin)
	}()
	select {
	case <-ctx.Done():
	case <-orphaned:
	}
	return nil
}

// countMessages returns how many messages the topics hold.
func countMessages(ctx context.Context, client *kgo.Client, topics []string) (int64, error) {
	const latest = -1
	request := kmsg.NewPtrListOffsetsRequest()
	for _, topic := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for n := range int32(partitions) {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = n, latest
			t.Partitions = append(t.Partitions, p)
		}
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	var total int64
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			total += max(0, p.Offset)
		}
	}
	return total, nil
}
