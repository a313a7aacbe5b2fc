package kafkabus_test

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

// BenchmarkPublish measures messages of the usual size from 64 callers; the in-process broker's own work is included.
func BenchmarkPublish(b *testing.B) {
	cfg, topics := plain(b), publisher.Topics(names())
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

// BenchmarkCatchUp publishes a log of assessed fees from its beginning: four messages each (journal, db, index, route).
// CPU is that of this process, the in-process broker included.
func BenchmarkCatchUp(b *testing.B) {
	w := newWorld(b, plain(b))
	w.foundAll(b)
	const writers = 64
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range (b.N + i) / writers {
				w.assess(b, 100)
			}
		})
	}
	wg.Wait()
	b.ResetTimer()
	cpu := cpuTime(b)
	stop := w.publish(b)
	w.publishedWithin(b, 10*time.Minute)
	cpu = cpuTime(b) - cpu
	b.StopTimer()
	require.NoError(b, stop())
	messages := float64(4 * b.N)
	b.ReportMetric(messages/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(cpu.Microseconds())/messages, "cpu-us/msg")
}

// BenchmarkLatency assesses fees at a steady rate and tells how long after its commit a db event is acknowledged by Kafka.
func BenchmarkLatency(b *testing.B) {
	w := newWorld(b, plain(b))
	w.foundAll(b)
	var mu sync.Mutex
	sent := map[string]time.Time{}
	connect := kafkabus.Connect(w.cfg, publisher.Topics(w.names), discard())
	stop := w.publish(b, func(c *publisher.Config) {
		c.Connect = func(ctx context.Context) (message.Publisher, error) {
			bus, err := connect(ctx)
			return &timedBus{Publisher: bus, topic: w.names.DB("fee", "created"), mu: &mu, at: sent}, err
		}
	})
	w.assess(b, 100)
	w.publishedWithin(b, 10*time.Minute) // the publisher is connected and warm
	const rate = 1000
	committed := make(map[string]time.Time, b.N)
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	cpu := cpuTime(b)
	b.ResetTimer()
	for range b.N {
		<-tick.C
		wg.Go(func() {
			id := w.assess(b, 100)
			now := time.Now()
			mu.Lock()
			committed[id] = now
			mu.Unlock()
		})
	}
	wg.Wait()
	w.publishedWithin(b, 10*time.Minute)
	b.StopTimer()
	cpu = cpuTime(b) - cpu
	require.NoError(b, stop())
	took := make([]float64, 0, b.N)
	for id, at := range committed {
		took = append(took, float64(sent[id].Sub(at).Microseconds())/1000)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "p50-ms")
	b.ReportMetric(took[len(took)*99/100], "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "assess/s")
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-us/assess")
}

// timedBus notes when messages of one topic were acknowledged.
type timedBus struct {
	message.Publisher
	topic string
	mu    *sync.Mutex
	at    map[string]time.Time
}

func (t *timedBus) Publish(topic string, msgs ...*message.Message) error {
	err := t.Publisher.Publish(topic, msgs...)
	if topic == t.topic {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.at[msgs[0].Metadata[publisher.KeyMetadata]] = time.Now()
	}
	return err
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
