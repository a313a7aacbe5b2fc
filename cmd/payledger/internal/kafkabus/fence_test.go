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
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections/publisher"
	"payledger/readmodels"
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
	r := w.replay(t, w.replayTopic(t))
	r.Stretch = 16
	w.requireErasedDuring(t, r, func() {
		erased := l.Erase(t, ann)
		who := eventstore.Person{Tenant: ledgertest.Tenant, Subject: ann}
		_, err := eventstore.EraseAnswers(t.Context(), l.DB.AppPool(t), who, erased)
		require.NoError(t, err)
	})
}

// TestErasureDuringAReplayOfRoutes is the same of route events, of which a replay reads hundreds ahead: those behind the erasure are read anew.
func TestErasureDuringAReplayOfRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	app := w.db.AppPool(t)
	ctx, canceled := context.WithoutCancel(t.Context()), readmodels.FeeCanceled
	words := map[string]string{uuid.NewString(): "annsecret", uuid.NewString(): "bobsecret"}
	fees := map[string]string{}
	ann := ""
	for user, word := range words {
		fees[user] = uuid.NewString()
		_, err := w.service.AssessFee(ctx, w.request("fee-created"), commands.NewFee{FeeID: fees[user], UserID: user, Amount: usd(100), Reason: "overdue"})
		require.NoError(t, err)
		_, err = w.service.PatchFee(ctx, w.request("fee-updated"), patchOf(fees[user], &canceled, "")) // no money is open
		require.NoError(t, err)
		if word == "annsecret" {
			ann = user
		}
	}
	for i := range 30 {
		for user, word := range words {
			_, err := w.service.PatchFee(ctx, w.request("fee-updated"), commands.FeePatch{FeeID: fees[user], Note: fmt.Sprint(word, i)})
			require.NoError(t, err)
		}
	}
	r := w.replay(t, w.replayTopic(t))
	r.Stretch, r.Filter = 16, publisher.Filter{Kinds: []string{"route"}}
	w.requireErasedDuring(t, r, func() {
		_, err := w.service.ErasePerson(ctx, w.request(""), ann, "request", false)
		require.NoError(t, err)
		head, err := w.reader.Head(ctx)
		require.NoError(t, err)
		n, err := eventstore.EraseAnswers(ctx, app, eventstore.Person{Tenant: "main", Subject: ann}, head.Position)
		require.NoError(t, err)
		require.EqualValues(t, 32, n.RouteEvents)
	})
}

// requireErasedDuring sends again to a slow broker, erases a person who is called annsecret in the first messages, and demands that none says
// so behind the certificate.
func (w *world) requireErasedDuring(t *testing.T, r publisher.Replay, erase func()) {
	t.Helper()
	bus := &gatedBus{Publisher: r.Bus, word: "annsecret", gate: make(chan struct{}), held: make(chan struct{})}
	r.Bus = bus
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
	erase()
	passed := make(chan error, 1)
	go func() {
		err := publisher.AwaitReplays(context.WithoutCancel(t.Context()), w.db.AppPool(t))
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
	sent := w.messagesOn(t, r.To)
	require.Positive(t, saying(sent, "annsecret"), "what was on its way")
	require.Less(t, saying(sent, "annsecret"), saying(sent, "bobsecret")/2, "the rest goes without")
}
