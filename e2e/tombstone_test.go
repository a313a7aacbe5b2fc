package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestErasureOfCompactedTopics does so with the broker of dev.
func TestErasureOfCompactedTopics(t *testing.T) {
	t.Parallel()
	p, s := devWith(t, []string{"SELFAUDIT_RATE=1000"}, t.TempDir())
	s.eraseFromCompacted(t)
	require.Zero(t, p.stop(t))
}

// eraseFromCompacted erases a person whose rows stand on compacted topics: what stands last there for each of them is a tombstone, which the certificate
// counts and a second run doesn't send again. So it is for each of the route events that show texts. It returns a compacted db topic, a route topic, and
// what was erased.
func (s *system) eraseFromCompacted(t *testing.T) (topic, route, secret string) {
	t.Helper()
	member, other := uuid.NewString(), uuid.NewString()
	secret = "secret" + strings.ReplaceAll(uuid.NewString(), "-", "")
	fees := make(map[string]string) // by person
	for _, user := range []string{member, other} {
		fees[user] = uuid.NewString()
		a := s.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"2.00","note":%q}`, fees[user], user, secret+user))
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		a = s.call(t, "staff", http.MethodPost, "/payments", fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":"2.00","note":%q}`, user, secret+user))
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	}
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	route = s.service + "-fee-created"
	require.Eventually(t, func() bool { return s.shows(t, route, secret+member) }, patience, 10*tick)
	rows := map[string]int{ // of the member, with texts or without; route events with texts
		route: 1, s.service + "-dbevent-fee-updated": 1, s.service + "-dbevent-feepayment-created": 1, "elastic-index-" + s.prefix + "_fee-created": 1, "elastic-index-" + s.prefix + "_feeevent-created": 2,
	}
	for topic := range rows {
		s.setPolicy(t, topic, "compact")
	}
	bury := s.goAstray(t, route, secret+member)
	_, errs, code := command(t, s.env, "erase", member)
	require.Equal(t, 4, code, errs)
	require.Contains(t, errs, "topic "+route+" is compacted, and ")
	require.Contains(t, errs, "of its messages with the texts stand in other partitions")
	bury()

	_, errs, code = command(t, append([]string{"PAYLEDGER_KILL_AT=erase.buried"}, s.env...), "erase", member)
	require.Equal(t, -1, code, "killed: %s", errs) // nothing is certified yet, so that they are sent once more
	out, errs, code := command(t, s.env, "erase", member)
	require.Zero(t, code, errs)
	type told struct {
		Topics []struct {
			Topic       string `json:"topic"`
			RetentionMS int64  `json:"retentionMs"`
			Compacted   bool   `json:"compacted"`
			Tombstones  int    `json:"tombstones"`
		} `json:"topics"`
	}
	for _, of := range jsonLines[told](t, out)[0].Topics {
		require.Equal(t, rows[of.Topic] > 0, of.Compacted, of.Topic)
		require.Equal(t, rows[of.Topic], of.Tombstones, of.Topic)
		if of.Compacted {
			require.EqualValues(t, -1, of.RetentionMS)
		}
	}
	ends := make(map[string]map[int32]int64) // which compaction doesn't move
	for topic, n := range rows {
		records := s.records(t, topic)
		ends[topic] = s.ends(t, topic)
		last := make(map[string]*kgo.Record)
		for _, r := range records {
			last[string(r.Key)] = r
		}
		buried, others := 0, false
		for _, r := range last {
			require.NotContains(t, string(r.Value), secret+member)
			if r.Value == nil {
				buried++
				continue
			}
			require.NotContains(t, string(r.Value), member, "the last of each of the person's rows is a tombstone")
			others = others || strings.Contains(string(r.Value), secret+other)
		}
		require.Equal(t, n, buried, topic)
		require.True(t, others, "what is told of others stays on %s", topic)
	}
	again, errs, code := command(t, s.env, "erase", member)
	require.Zero(t, code, errs)
	require.Equal(t, out, again)
	for topic, before := range ends {
		require.Equal(t, before, s.ends(t, topic), "no second tombstones")
	}

	topic = s.service + "-dbevent-fee-updated" // the row comes back without texts
	out, errs, code = command(t, s.env, "republish", "--to", topic, "--from", "1", "--filter", "person="+member)
	require.Zero(t, code, out+errs)
	var value string
	for _, r := range s.records(t, topic) {
		if string(r.Key) == fees[member] {
			value = string(r.Value)
		}
	}
	require.Contains(t, value, member)
	require.NotContains(t, value, secret)
	require.Eventually(t, func() bool { // and the self-audit has nothing against any of it
		_, _, code := command(t, s.env, "doctor")
		return code == 0
	}, patience, 10*tick)
	return topic, route, secret + member
}

// shows reports whether a topic holds a text.
func (s *system) shows(t *testing.T, topic, text string) bool {
	t.Helper()
	return slices.ContainsFunc(s.records(t, topic), func(r *kgo.Record) bool { return strings.Contains(string(r.Value), text) })
}

// goAstray adds a partition to a topic, and repeats there the message that shows a text: whatever comes under its key later comes to one partition alone. The
// function that it returns removes the text from the others.
func (s *system) goAstray(t *testing.T, topic, text string) (bury func()) {
	t.Helper()
	records := s.records(t, topic)
	of := records[slices.IndexFunc(records, func(r *kgo.Record) bool { return strings.Contains(string(r.Value), text) })]
	client := s.kafka(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	known, err := metadata.RequestWith(t.Context(), client)
	require.NoError(t, err)
	more := kmsg.NewPtrCreatePartitionsRequest()
	count := int32(len(known.Topics[0].Partitions)) + 1
	more.TimeoutMillis, more.Topics = 15_000, []kmsg.CreatePartitionsRequestTopic{{Topic: topic, Count: count}}
	made, err := more.RequestWith(t.Context(), client)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(made.Topics[0].ErrorCode))
	put := func(partition int32, value []byte, headers []kgo.RecordHeader) {
		r := &kgo.Record{Topic: topic, Partition: partition, Key: of.Key, Headers: headers, Value: value}
		require.NoError(t, client.ProduceSync(t.Context(), r).FirstErr())
	}
	put(count-1, of.Value, of.Headers)
	return func() {
		last := make(map[int32]*kgo.Record)
		for _, r := range s.records(t, topic) {
			if string(r.Key) == string(of.Key) {
				last[r.Partition] = r
			}
		}
		for partition, r := range last {
			if r.Value != nil {
				put(partition, nil, nil) // a stranger's, which isn't compared with the log
			}
		}
	}
}

// kafka returns a client of the broker.
func (s *system) kafka(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(s.brokers(t)))...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// setPolicy does what an operator may do to a topic.
func (s *system) setPolicy(t *testing.T, topic, policy string) {
	t.Helper()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for name, value := range map[string]string{"cleanup.policy": policy, "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"} {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = name, &value
		resource.Configs = append(resource.Configs, config)
	}
	request.Resources = append(request.Resources, resource)
	client := s.kafka(t)
	response, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	for _, r := range response.Resources {
		require.NoError(t, kerr.ErrorForCode(r.ErrorCode), topic)
	}
	require.Eventually(t, func() bool { return policyOf(t, client, topic) == policy }, patience, tick) // Kafka answers before its broker knows
}

// policyOf returns the cleanup policy of a topic.
func policyOf(t *testing.T, client *kgo.Client, topic string) string {
	t.Helper()
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{"cleanup.policy"}
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	for _, r := range response.Resources {
		require.NoError(t, kerr.ErrorForCode(r.ErrorCode), topic)
		for _, config := range r.Configs {
			if config.Name == "cleanup.policy" && config.Value != nil {
				return *config.Value
			}
		}
	}
	return ""
}

// records returns what stands on a topic, of each partition in order.
func (s *system) records(t *testing.T, topic string) (all []*kgo.Record) {
	t.Helper()
	left := s.ends(t, topic)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := s.kafka(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		require.NoError(t, ctx.Err(), topic)
		for _, r := range fetches.Records() {
			all = append(all, r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return all
}

// ends returns the ends of the partitions that hold anything.
func (s *system) ends(t *testing.T, topic string) map[int32]int64 {
	t.Helper()
	client := s.kafka(t)
	metadata := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = &topic
	metadata.Topics = append(metadata.Topics, of)
	known, err := metadata.RequestWith(t.Context(), client)
	require.NoError(t, err)
	at := func(time int64) map[int32]int64 {
		request := kmsg.NewPtrListOffsetsRequest()
		part := kmsg.NewListOffsetsRequestTopic()
		part.Topic = topic
		for _, p := range known.Topics[0].Partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, time
			part.Partitions = append(part.Partitions, partition)
		}
		request.Topics = append(request.Topics, part)
		response, err := request.RequestWith(t.Context(), client)
		require.NoError(t, err)
		offsets := make(map[int32]int64)
		for _, p := range response.Topics[0].Partitions {
			require.NoError(t, kerr.ErrorForCode(p.ErrorCode))
			offsets[p.Partition] = p.Offset
		}
		return offsets
	}
	const first, last = -2, -1
	begins, ends := at(first), at(last)
	for partition, end := range ends {
		if end == begins[partition] {
			delete(ends, partition)
		}
	}
	return ends
}
