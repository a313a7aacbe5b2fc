package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"payledger/projections/publisher"
)

// EnsureTopics creates the topics that don't exist yet; those that exist stay as they are. The journal is kept for ever,
// the others as long as the broker's default says.
func EnsureTopics(ctx context.Context, cfg Config, topics []publisher.Topic) error {
	client, err := cfg.client(kgo.RequestRetries(2)) // the caller tries again with its own patience
	if err != nil {
		return err
	}
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 15_000
	for _, topic := range topics {
		request.Topics = append(request.Topics, cfg.newTopic(topic))
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	var faults []error
	for _, topic := range response.Topics {
		err := kerr.ErrorForCode(topic.ErrorCode)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			continue
		}
		faults = append(faults, fmt.Errorf("create topic %s: %w", topic.Topic, err))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	return awaitLeaders(ctx, client, topics)
}

// TopicExists reports whether the brokers have a topic that messages can be sent to.
func TopicExists(ctx context.Context, cfg Config, topic string) (bool, error) {
	client, err := cfg.client(kgo.RequestRetries(2))
	if err != nil {
		return false, err
	}
	defer client.Close()
	err = checkLeaders(ctx, client, []publisher.Topic{{Topic: topic}})
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for topic %s: %w", topic, err)
	}
	return true, nil
}

const (
	leaderPoll    = 50 * time.Millisecond
	leaderTimeout = 10 * time.Second
)

// awaitLeaders returns once every partition has a leader: a topic is created some time before messages can be sent to it.
func awaitLeaders(ctx context.Context, client *kgo.Client, topics []publisher.Topic) error {
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	tick := time.NewTicker(leaderPoll)
	defer tick.Stop()
	for {
		err := checkLeaders(ctx, client, topics)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the leaders of new topics: %w", err)
		}
	}
}

func checkLeaders(ctx context.Context, client *kgo.Client, topics []publisher.Topic) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic.Topic
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, topic := range response.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return err
		}
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c Config) newTopic(topic publisher.Topic) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic.Topic, -1, -1
	if c.Partitions > 0 {
		t.NumPartitions = c.Partitions
	}
	if c.Replication > 0 {
		t.ReplicationFactor = c.Replication
	}
	set := func(name, value string) {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, &value
		t.Configs = append(t.Configs, config)
	}
	set("max.message.bytes", strconv.Itoa(c.maxMessageBytes()))
	if topic.Kind == publisher.KindJournal {
		set("retention.ms", "-1")
		set("retention.bytes", "-1")
	}
	return t
}

// Ping asks the brokers for an answer, once.
func Ping(ctx context.Context, cfg Config) error {
	client, err := cfg.client(kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("reach Kafka: %w", err)
	}
	return nil
}
