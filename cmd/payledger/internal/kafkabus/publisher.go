package kafkabus

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"payledger/projections/publisher"
)

// Connect returns the function that the publisher connects with: it creates missing topics and opens a producer.
func Connect(cfg Config, topics []publisher.Topic, logger *slog.Logger) publisher.Connect {
	return func(ctx context.Context) (message.Publisher, error) {
		if err := EnsureTopics(ctx, cfg, topics); err != nil {
			return nil, err
		}
		return NewPublisher(cfg, logger)
	}
}

// NewPublisher opens a producer. Its Publish returns after all in-sync replicas acknowledged; it sends one message at a time,
// so throughput comes from many callers. The key is taken from the metadata publisher.KeyMetadata.
func NewPublisher(cfg Config, logger *slog.Logger) (message.Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: cfg.Brokers, Marshaler: marshaler{}, OverwriteSaramaConfig: cfg.producer(),
	}, watermill.NewSlogLogger(logger))
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return p, nil
}

// marshaler sends the payload as it is, under the message's own key, with its metadata as headers in order of name.
type marshaler struct{}

// Marshal implements kafka.Marshaler.
func (marshaler) Marshal(topic string, msg *message.Message) (*sarama.ProducerMessage, error) {
	key, ok := msg.Metadata[publisher.KeyMetadata]
	if !ok {
		return nil, fmt.Errorf("message for %s has no %s", topic, publisher.KeyMetadata)
	}
	headers := make([]sarama.RecordHeader, 0, len(msg.Metadata)-1)
	for _, name := range slices.Sorted(maps.Keys(msg.Metadata)) {
		if name != publisher.KeyMetadata {
			headers = append(headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(msg.Metadata[name])})
		}
	}
	return &sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(msg.Payload), Headers: headers,
	}, nil
}
