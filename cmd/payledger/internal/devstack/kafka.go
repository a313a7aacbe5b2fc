package devstack

import (
	"context"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka is an in-process broker; any Kafka client can talk to it.
type Kafka struct {
	cluster *kfake.Cluster
}

// StartKafka starts the broker on address (host:port, port 0 takes any free one) and keeps its topics in dir.
// Written messages survive a kill of the process; after a crash of the machine the newest may be gone.
func StartKafka(ctx context.Context, dir, address string) (*Kafka, error) {
	listen := func(network, _ string) (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, network, address)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(listen), kfake.DataDir(dir))
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka on %s: %w", address, err)
	}
	return &Kafka{cluster: cluster}, nil
}

// Addr returns host:port of the broker.
func (k *Kafka) Addr() string { return k.cluster.ListenAddrs()[0] }

// Close stops the broker and writes its state.
func (k *Kafka) Close() { k.cluster.Close() }
