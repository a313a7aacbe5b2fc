package kafkabus_test

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

// BenchmarkPublish measures messages of the usual size from 64 callers; the in-process broker's own work is included.
func BenchmarkPublish(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(4))
	require.NoError(b, err)
	defer cluster.Close()
	benchmarkPublish(b, kafkabus.Config{Brokers: cluster.ListenAddrs()})
}

func benchmarkPublish(b *testing.B, cfg kafkabus.Config) {
	b.Helper()
	topics := publisher.Topics(names())
	bus, err := kafkabus.Connect(cfg, topics, discard())(b.Context())
	require.NoError(b, err)
	defer func() { require.NoError(b, bus.Close()) }()
	value := bytes.Repeat([]byte(`{"key":1}`), 50)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			msg := &message.Message{Payload: value, Metadata: message.Metadata{publisher.KeyMetadata: strconv.FormatInt(i%1000, 10)}}
			for h := range 14 {
				msg.Metadata["ledger-header-"+strconv.Itoa(h)] = "0193b2a0-0000-7000-8000-000000000001"
			}
			if err := bus.Publish(topics[i%4].Topic, msg); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
