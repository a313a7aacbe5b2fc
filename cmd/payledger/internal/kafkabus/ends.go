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

const (
	// tailMost bounds what is read of a partition, tailLeast is read in any case.
	tailMost, tailLeast = 500, 3
	// tailTimeout bounds the reading of all ends: less than the lease under which it is done.
	tailTimeout = 8 * time.Second
)

// Times that ask for the ends of a partition.
const (
	offsetsEnd   = -1
	offsetsStart = -2
)

type partition struct {
	topic string
	n     int32
}

// ReadTail returns the function that the self-audit reads the ends of topics with.
func ReadTail(cfg Config) publisher.ReadTail {
	return func(ctx context.Context, topics []string, since time.Time, each func(publisher.Sent)) (map[string]bool, error) {
		ctx, cancel := context.WithTimeout(ctx, tailTimeout)
		defer cancel()
		client, err := cfg.client(kgo.RequestRetries(2))
		if err != nil {
			return nil, err
		}
		defer client.Close()
		from, until, cut, err := stretches(ctx, client, topics, since)
		if err != nil {
			return nil, fmt.Errorf("look for the ends of topics: %w", err)
		}
		// Of a compacted topic anything but the last of a key may be gone. Who isn't told has none.
		policies, err := retentions(ctx, client, topics)
		for _, p := range policies {
			cut[p.Topic] = cut[p.Topic] || p.Compacted
		}
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		return cut, readStretches(ctx, cfg, from, until, tailTimeout, each)
	}
}

// LastEpoch returns the greatest epoch that the newest messages of a topic name: those since a time, but tailMost of a partition, and the last few
// in any case. It is 0 for a topic that isn't there or holds none.
func LastEpoch(ctx context.Context, cfg Config, topic string, since time.Time) (last int64, err error) {
	_, err = ReadTail(cfg)(ctx, []string{topic}, since, func(m publisher.Sent) {
		if epoch, err := strconv.ParseInt(m.Headers["ledger-epoch"], 10, 64); err == nil {
			last = max(last, epoch)
		}
	})
	return last, err
}

// ReadTopic hands over all that a topic holds now, of each partition in order. Brokers that hand over nothing for so long as silence end it.
func ReadTopic(ctx context.Context, cfg Config, topic string, silence time.Duration, each func(publisher.Sent)) error {
	client, err := cfg.client(kgo.RequestRetries(2))
	if err != nil {
		return err
	}
	defer client.Close()
	partitions, err := partitionsOf(ctx, client, []string{topic})
	if err != nil {
		return fmt.Errorf("look for the ends of %s: %w", topic, err)
	}
	until, err := offsets(ctx, client, partitions, offsetsEnd)
	if err != nil {
		return fmt.Errorf("look for the end of %s: %w", topic, err)
	}
	from, err := offsets(ctx, client, partitions, offsetsStart)
	if err != nil {
		return fmt.Errorf("look for the beginning of %s: %w", topic, err)
	}
	for p, end := range until {
		if from[p] >= end {
			delete(from, p)
			delete(until, p)
		}
	}
	return readStretches(ctx, cfg, from, until, silence, each)
}

// stretches returns where to read each partition that holds anything, from and until, and the topics of which something since then is left out.
func stretches(ctx context.Context, client *kgo.Client, topics []string, since time.Time) (from, until map[partition]int64, cut map[string]bool, err error) {
	partitions, err := partitionsOf(ctx, client, topics)
	if err != nil {
		return nil, nil, nil, err
	}
	var start, at map[partition]int64
	if until, err = offsets(ctx, client, partitions, offsetsEnd); err != nil {
		return nil, nil, nil, err
	}
	if start, err = offsets(ctx, client, partitions, offsetsStart); err != nil {
		return nil, nil, nil, err
	}
	if at, err = offsets(ctx, client, partitions, since.UnixMilli()); err != nil {
		return nil, nil, nil, err
	}
	from, cut = make(map[partition]int64), make(map[string]bool)
	for p, end := range until {
		first := start[p]
		wanted := at[p]
		if wanted < 0 { // nothing since then
			wanted = end
		}
		if wanted <= first && first > 0 || wanted < end-tailMost { // trimmed, or too much
			cut[p.topic] = true
		}
		if from[p] = max(first, min(wanted, end-tailLeast), end-tailMost); from[p] >= end {
			delete(from, p)
			delete(until, p)
		}
	}
	return from, until, cut, nil
}

// partitionsOf returns the partitions of those of the topics that exist.
func partitionsOf(ctx context.Context, client *kgo.Client, topics []string) ([]partition, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var all []partition
	for _, topic := range response.Topics {
		err := kerr.ErrorForCode(topic.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, p := range topic.Partitions {
			all = append(all, partition{*topic.Topic, p.Partition})
		}
	}
	return all, nil
}

// offsets returns for each partition the first offset at a time or after it, -1 for none; or one of its ends.
func offsets(ctx context.Context, client *kgo.Client, partitions []partition, at int64) (map[partition]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	for _, of := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = of.n, at
		if last := len(request.Topics) - 1; last < 0 || request.Topics[last].Topic != of.topic {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = of.topic
			request.Topics = append(request.Topics, t)
		}
		t := &request.Topics[len(request.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	found := make(map[partition]int64, len(partitions))
	if len(partitions) == 0 {
		return found, nil
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", topic.Topic, p.Partition, err)
			}
			found[partition{topic.Topic, p.Partition}] = p.Offset
		}
	}
	return found, nil
}

// readStretches hands over the messages, of each partition in order. Of a compacted one the last message is always there.
func readStretches(ctx context.Context, cfg Config, from, until map[partition]int64, silence time.Duration, each func(publisher.Sent)) error {
	if len(from) == 0 {
		return nil
	}
	begin := make(map[string]map[int32]kgo.Offset)
	for p, offset := range from {
		if begin[p.topic] == nil {
			begin[p.topic] = make(map[int32]kgo.Offset)
		}
		begin[p.topic][p.n] = kgo.NewOffset().At(offset)
	}
	client, err := cfg.client(kgo.ConsumePartitions(begin))
	if err != nil {
		return err
	}
	defer client.Close()
	for len(until) > 0 {
		polling, cancel := context.WithTimeout(ctx, silence)
		fetches := client.PollFetches(polling)
		err := polling.Err()
		cancel()
		if err != nil {
			return fmt.Errorf("read topics to their ends: %w", err)
		}
		var faults []error
		fetches.EachError(func(topic string, n int32, err error) {
			faults = append(faults, fmt.Errorf("read %s/%d: %w", topic, n, err))
		})
		if len(faults) > 0 {
			return errors.Join(faults...)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			p := partition{r.Topic, r.Partition}
			end, wanted := until[p]
			if !wanted {
				continue
			}
			m := newMessage(r)
			each(publisher.Sent{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Headers: m.Headers, Value: m.Value, At: r.Timestamp})
			if r.Offset+1 >= end {
				delete(until, p)
			}
		}
	}
	return nil
}
