package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FromNow makes Tail begin with what is published after the call.
const FromNow = -1

// Message is a message as it stands on Kafka.
type Message struct {
	Topic     string            `json:"topic"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers"`
	Value     []byte            `json:"value"`
	Partition int32             `json:"-"`
	Offset    int64             `json:"-"`
}

// Tail hands over the messages of the topics until ctx ends (it then returns nil) or handle returns an error (which it then
// returns). It begins at the first message whose header ledger-position is at least from, or with FromNow at the end of the
// topics. Messages of one key come in order. A broker that can't be reached is waited for.
func Tail(ctx context.Context, cfg Config, topics []string, from int64, handle func(Message) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	start := kgo.NewOffset().AtStart()
	if from == FromNow {
		start = kgo.NewOffset().AtEnd()
	}
	client, err := cfg.client(kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(start))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		if err := handOver(fetches, from, handle); err != nil {
			return err
		}
	}
	return nil
}

func handOver(fetches kgo.Fetches, from int64, handle func(Message) error) error {
	var faults []error
	fetches.EachError(func(topic string, partition int32, err error) {
		faults = append(faults, fmt.Errorf("read %s/%d: %w", topic, partition, err))
	})
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for records := fetches.RecordIter(); !records.Done(); {
		msg := newMessage(records.Next())
		if from > 0 && positionOf(msg) < from {
			continue
		}
		if err := handle(msg); err != nil {
			return err
		}
	}
	return nil
}

func newMessage(r *kgo.Record) Message {
	m := Message{
		Topic: r.Topic, Key: string(r.Key), Headers: make(map[string]string, len(r.Headers)), Value: r.Value,
		Partition: r.Partition, Offset: r.Offset,
	}
	for _, h := range r.Headers {
		m.Headers[h.Key] = string(h.Value)
	}
	return m
}

// positionOf returns the log position that caused a message, 0 if it names none.
func positionOf(m Message) int64 {
	n, err := strconv.ParseInt(m.Headers["ledger-position"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
