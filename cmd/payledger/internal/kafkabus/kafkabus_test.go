package kafkabus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

func newMessage(key string, position int, value []byte) *message.Message {
	return &message.Message{Payload: value, Metadata: message.Metadata{
		publisher.KeyMetadata: key, "ledger-position": strconv.Itoa(position), "ce_id": fmt.Sprintf("%s/%d", key, position),
	}}
}

// connect makes a few topics under names of the test's own and opens a producer.
func connect(t *testing.T, cfg kafkabus.Config) (message.Publisher, []publisher.Topic) {
	t.Helper()
	topics := publisher.Topics(names())[:4]
	bus, err := kafkabus.Connect(cfg, topics, discard())(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bus.Close()) })
	return bus, topics
}

func TestMessageArrivesAsGiven(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) kafkabus.Config{"plain": plain, "sasl": withSASL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := start(t)
			bus, topics := connect(t, cfg)
			require.NoError(t, bus.Publish(topics[0].Topic, newMessage("fee-ü", 7, []byte(`{"a":1}`))))
			got := collect(t, cfg, topics[:1], func(all []kafkabus.Message) bool { return len(all) == 1 })
			require.Empty(t, cmp.Diff(kafkabus.Message{
				Topic: topics[0].Topic, Key: "fee-ü", Value: []byte(`{"a":1}`),
				Headers:   map[string]string{"ledger-position": "7", "ce_id": "fee-ü/7"},
				Partition: got[0].Partition,
			}, got[0]))
		})
	}
}

func TestMessageWithoutKeyIsRefused(t *testing.T) {
	t.Parallel()
	bus, topics := connect(t, plain(t))
	require.ErrorContains(t, bus.Publish(topics[0].Topic, message.NewMessage("", nil)), publisher.KeyMetadata)
}

func TestWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	cfg := withSASL(t)
	cfg.SASLPassword = "wrong"
	require.Error(t, kafkabus.EnsureTopics(t.Context(), cfg, publisher.Topics(names())))
	began := time.Now()
	_, err := kafkabus.NewPublisher(cfg)
	require.Error(t, err)
	require.Less(t, time.Since(began), 5*time.Second, "callers can't stop it, and try again themselves")
}

func TestEnsureTopicsTwice(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	topics := publisher.Topics(names())
	require.NoError(t, kafkabus.EnsureTopics(t.Context(), cfg, topics[:3]))
	require.NoError(t, kafkabus.EnsureTopics(t.Context(), cfg, topics), "existing topics are fine, missing ones are added")
}

func TestEnsureTopicsSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	cfg, topics := plain(t), publisher.Topics(names())
	cfg.Replication = 99
	require.ErrorContains(t, kafkabus.EnsureTopics(t.Context(), cfg, topics), topics[0].Topic+": INVALID_REPLICATION_FACTOR")
}

// A document of a fee with thousands of payments is far above Kafka's usual megabyte.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	bus, topics := connect(t, cfg)
	value := bytes.Repeat([]byte("payments "), 700_000)
	require.NoError(t, bus.Publish(topics[0].Topic, newMessage("k", 1, value)))
	got := collect(t, cfg, topics[:1], func(all []kafkabus.Message) bool { return len(all) == 1 })
	require.True(t, bytes.Equal(value, got[0].Value))
	require.Error(t, bus.Publish(topics[0].Topic, newMessage("k", 2, bytes.Repeat(value, 2))))
}

func TestOrderOfAKeyUnderManyCallers(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	bus, topics := connect(t, cfg)
	const keys, each = 32, 25
	var wg sync.WaitGroup
	faults := make([]error, keys)
	for k := range keys {
		wg.Go(func() {
			for i := range each {
				faults[k] = errors.Join(faults[k], bus.Publish(topics[0].Topic, newMessage(strconv.Itoa(k), i+1, []byte("{}"))))
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(faults...))
	got := collect(t, cfg, topics[:1], func(all []kafkabus.Message) bool { return len(all) == keys*each })
	next := map[string]int{}
	for _, m := range got {
		next[m.Key]++
		require.Equal(t, strconv.Itoa(next[m.Key]), m.Headers["ledger-position"], "key %s", m.Key)
	}
}

func TestTailFromPosition(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	bus, topics := connect(t, cfg)
	for i := range 10 {
		require.NoError(t, bus.Publish(topics[i%2].Topic, newMessage("k", i+1, []byte("{}"))))
	}
	stop := errors.New("seen enough")
	seen := map[string]bool{}
	require.ErrorIs(t, kafkabus.Tail(t.Context(), cfg, topicNames(topics[:2]), 8, func(m kafkabus.Message) error {
		seen[m.Headers["ledger-position"]] = true
		if len(seen) == 3 {
			return stop
		}
		return nil
	}), stop)
	require.Equal(t, map[string]bool{"8": true, "9": true, "10": true}, seen)
}

func TestTailFromNow(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	bus, topics := connect(t, cfg)
	require.NoError(t, bus.Publish(topics[0].Topic, newMessage("old", 1, []byte("{}"))))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- kafkabus.Tail(ctx, cfg, topicNames(topics[:1]), kafkabus.FromNow, func(m kafkabus.Message) error {
			select {
			case got <- m.Key:
			default:
			}
			return nil
		})
	}()
	// When the reader has found the end of the topic can't be seen from outside: publish until something comes.
	require.Eventually(t, func() bool {
		require.NoError(t, bus.Publish(topics[0].Topic, newMessage("new", 2, []byte("{}"))))
		return len(got) == 1
	}, patience, publishEvery)
	require.Equal(t, "new", <-got)
	cancel()
	require.NoError(t, <-ended)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]kafkabus.Config{
		"host:port is missing": {},
		"user and password":    {Brokers: []string{"a:1"}, SASLUser: "u"},
		"mechanism":            {Brokers: []string{"a:1"}, SASLMechanism: "PLAIN"},
		"can't be negative":    {Brokers: []string{"a:1"}, Partitions: -1},
	} {
		require.ErrorContains(t, cfg.Validate(), want)
	}
	require.NoError(t, kafkabus.Config{Brokers: []string{"a:1"}}.Validate())
}
