package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Retention is for how long a topic keeps messages.
type Retention struct {
	Topic     string
	Compacted bool
	MS        int64 // after which messages are gone; -1: never by age, as of a topic that is only compacted
}

const resourceTopic = 2

// Retentions asks the brokers about topics, in their order; those that don't exist are left out.
func Retentions(ctx context.Context, cfg Config, topics []string) ([]Retention, error) {
	client, err := cfg.client(kgo.RequestRetries(2))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return retentions(ctx, client, topics)
}

func retentions(ctx context.Context, client *kgo.Client, topics []string) ([]Retention, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = resourceTopic, topic, []string{"cleanup.policy", "retention.ms"}
		request.Resources = append(request.Resources, r)
	}
	var all []Retention
	for _, shard := range client.RequestSharded(ctx, request) {
		if shard.Err != nil {
			return nil, fmt.Errorf("ask for the retention of topics: %w", shard.Err)
		}
		response, ok := shard.Resp.(*kmsg.DescribeConfigsResponse)
		if !ok {
			return nil, fmt.Errorf("ask for the retention of topics: answered with %T", shard.Resp)
		}
		for _, r := range response.Resources {
			err := kerr.ErrorForCode(r.ErrorCode)
			if errors.Is(err, kerr.UnknownTopicOrPartition) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("ask for the retention of %s: %w", r.ResourceName, err)
			}
			all = append(all, retentionOf(r))
		}
	}
	return all, nil
}

func retentionOf(r kmsg.DescribeConfigsResponseResource) Retention {
	found := Retention{Topic: r.ResourceName, MS: -1}
	deletes := true
	for _, c := range r.Configs {
		switch {
		case c.Value == nil:
		case c.Name == "cleanup.policy":
			found.Compacted, deletes = strings.Contains(*c.Value, "compact"), strings.Contains(*c.Value, "delete")
		case c.Name == "retention.ms":
			if ms, err := strconv.ParseInt(*c.Value, 10, 64); err == nil {
				found.MS = ms
			}
		}
	}
	if !deletes {
		found.MS = -1
	}
	return found
}
