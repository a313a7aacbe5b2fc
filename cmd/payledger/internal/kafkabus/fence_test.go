package kafkabus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections/publisher"
)

// gatedBus lets one message through, and then none until the gate opens. It notes what says a word after somebody was certified as erased.
type gatedBus struct {
	message.Publisher
	word      string
	gate      chan struct{}
	first     sync.Once
	waits     sync.Once
	held      chan struct{} // closed when a message waits
	certified atomic.Bool
	late      atomic.Int64
}

func (b *gatedBus) Publish(topic string, messages ...*message.Message) error {
	through := false
	b.first.Do(func() { through = true })
	if !through {
		b.waits.Do(func() { close(b.held) })
		<-b.gate
	}
	for _, m := range messages {
		if b.certified.Load() && strings.Contains(string(m.Payload), b.word) {
			b.late.Add(1)
		}
	}
	return b.Publisher.Publish(topic, messages...)
}

// TestErasureDuringAReplay erases a person while messages with their texts are on their way to a slow broker: they are acknowledged before the
// erasure can be certified, none says the texts afterwards, and the replay goes on to its end.
func TestErasureDuringAReplay(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 63)
	w := worldOf(t, plain(t), l)
	w.foundAll(t)
	ann, bob := l.Users[1], l.Users[2]
	fees := map[string]string{ann: l.Assess(t, ann, 100_000), bob: l.Assess(t, bob, 100_000)}
	for i := range 30 {
		for user, word := range map[string]string{ann: "annsecret", bob: "bobsecret"} {
			l.Change(t, fees[user], fee.Annotate{Note: fmt.Sprint(word, i), At: l.Now()})
		}
		l.Flush(t)
	}
	topic := w.replayTopic(t)
	r := w.replay(t, topic)
	bus := &gatedBus{Publisher: r.Bus, word: "annsecret", gate: make(chan struct{}), held: make(chan struct{})}
	r.Bus, r.Stretch = bus, 16
	type answer struct {
		far publisher.Replayed
		err error
	}
	replayed := make(chan answer, 1)
	go func() {
		far, err := publisher.Republish(context.WithoutCancel(t.Context()), r)
		replayed <- answer{far, err}
	}()
	<-bus.held

	erased := l.Erase(t, ann)
	who := eventstore.Person{Tenant: ledgertest.Tenant, Subject: ann}
	_, err := eventstore.EraseAnswers(t.Context(), l.DB.AppPool(t), who, erased)
	require.NoError(t, err)
	passed := make(chan error, 1)
	go func() {
		err := publisher.AwaitReplays(context.WithoutCancel(t.Context()), l.DB.AppPool(t))
		bus.certified.Store(true)
		passed <- err
	}()
	require.Eventually(t, func() bool {
		var waits bool
		require.NoError(t, w.projector.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits))
		return waits || bus.certified.Load()
	}, patience, time.Millisecond)
	close(bus.gate)
	require.NoError(t, <-passed)
	a := <-replayed
	require.NoError(t, a.err)
	require.Equal(t, r.Until, a.far.Position)
	require.Zero(t, bus.late.Load(), "messages that say the texts after the certificate")
	sent := w.messagesOn(t, topic)
	require.Positive(t, saying(sent, "annsecret"), "what was on its way")
	require.Less(t, saying(sent, "annsecret"), saying(sent, "bobsecret")/2, "the rest goes without")
}
