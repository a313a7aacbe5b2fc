package kafkabus_test

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"payledger/cmd/payledger/internal/kafkabus"
)

// broker is a broker in this process that can be stopped and goes on with its data.
type broker struct {
	address string
	dir     string
	cluster *kfake.Cluster
}

func newBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{address: freeAddress(t), dir: t.TempDir()}
	t.Cleanup(func() {
		if b.cluster != nil {
			b.stop()
		}
	})
	return b
}

// freeAddress returns an address below the ports of outgoing connections, so that nobody takes it while the broker is away.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err == nil {
			require.NoError(t, listener.Close())
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func (b *broker) start(t testing.TB) {
	t.Helper()
	var err error
	b.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(4), kfake.DataDir(b.dir), kfake.SyncWrites(),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(context.Background(), network, b.address)
		}))
	require.NoError(t, err)
}

func (b *broker) stop() {
	b.cluster.Close()
	b.cluster = nil
}

// Kafka is away when the publisher starts, comes, goes in mid-stream and comes back: commands never notice, and all is
// published in the end.
func TestKafkaDownAndBack(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	w := newWorld(t, kafkabus.Config{Brokers: []string{kafka.address}})
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 2)
	require.Equal(t, map[string]int64{"db": 0, "index": 0, "route": 0}, w.cursors(t))
	kafka.start(t)
	w.published(t)

	for range 2 {
		away := make(chan struct{})
		go func() {
			defer close(away)
			kafka.stop()
		}()
		w.someCommands(t, 3) // some while it goes, the rest while it is away
		<-away
		w.someCommands(t, 1)
		require.Less(t, w.cursors(t)["db"], int64(len(w.log(t))))
		kafka.start(t)
		w.published(t)
	}
	require.NoError(t, stop())
	require.Empty(t, cmp.Diff(w.expected(t), byKey(deduped(w.messages(t)))))
}

// A publisher that is told to stop while Kafka is away stops soon.
func TestStopWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	kafka.start(t)
	w := newWorld(t, kafkabus.Config{Brokers: []string{kafka.address}})
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 1)
	w.published(t)
	kafka.stop()
	w.someCommands(t, 1)
	began := time.Now()
	require.NoError(t, stop())
	require.Less(t, time.Since(began), patience)
}
