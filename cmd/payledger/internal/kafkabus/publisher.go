package kafkabus

import (
	"context"
	"fmt"
	"log/slog"
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
		bus, err := NewPublisher(cfg)
		if err == nil {
			logger.InfoContext(ctx, "connected to kafka", slog.Any("brokers", cfg.Brokers))
		}
		return bus, err
	}
}

// NewPublisher opens a producer. Its Publish returns after all in-sync replicas acknowledged; it sends one message at a time,
// so throughput comes from many callers. The key is taken from the metadata publisher.KeyMetadata.
func NewPublisher(cfg Config) (message.Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: cfg.Brokers, Marshaler: marshaler{}, OverwriteSaramaConfig: cfg.producer(),
	}, watermill.NopLogger{}) // it would only trace messages
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return p, nil
}

// usualHeaders is at least as many as most messages have: their names then need no memory of the heap.
const usualHeaders = 24

// marshaler sends the payload as it is, under the message's own key, with its metadata as headers in order of name.
type marshaler struct{}

// Marshal implements kafka.Marshaler.
func (marshaler) Marshal(topic string, msg *message.Message) (*sarama.ProducerMessage, error) {
	key, ok := msg.Metadata[publisher.KeyMetadata]
	if !ok {
		return nil, fmt.Errorf("message for %s has no %s", topic, publisher.KeyMetadata)
	}
	names, size := make([]string, 0, usualHeaders), 0
	for name, value := range msg.Metadata {
		if name != publisher.KeyMetadata {
			names, size = append(names, name), size+len(name)+len(value)
		}
	}
	slices.Sort(names)
	headers, text := make([]sarama.RecordHeader, len(names)), make([]byte, 0, size)
	for i, name := range names {
		from := len(text)
		text = append(text, name...)
		to := len(text)
		text = append(text, msg.Metadata[name]...)
		headers[i] = sarama.RecordHeader{Key: text[from:to:to], Value: text[to:len(text):len(text)]}
	}
	return &sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(msg.Payload), Headers: headers,
	}, nil
}
