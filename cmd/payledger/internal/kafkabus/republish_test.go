package kafkabus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/commands"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/publisher"
)

// replayTopic makes a topic of a consumer's.
func (w *world) replayTopic(t testing.TB) string {
	t.Helper()
	topic := w.names.LibraryService + "-replay-" + uuid.NewString()
	require.NoError(t, kafkabus.EnsureTopics(t.Context(), w.cfg, []publisher.Topic{{Topic: topic}}))
	return topic
}

// replay is one of this world, of the whole log.
func (w *world) replay(t testing.TB, to string) publisher.Replay {
	t.Helper()
	bus, err := kafkabus.NewPublisher(w.cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bus.Close()) })
	return publisher.Replay{Source: w.source(), Bus: bus, To: to, From: 1, Until: int64(len(w.log(t))), Logger: logger()}
}

// again sends all of a replay, and returns what stands on its topic.
func (w *world) again(t testing.TB, r publisher.Replay) []kafkabus.Message {
	t.Helper()
	done, err := publisher.Republish(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, r.Until, done.Position)
	sent := w.messagesOn(t, r.To)
	require.EqualValues(t, len(sent), done.Messages)
	return sent
}

// firstSending takes from messages that were sent again what marks them as such.
func firstSending(t testing.TB, all []kafkabus.Message) []kafkabus.Message {
	t.Helper()
	first := make([]kafkabus.Message, len(all))
	for i, m := range all {
		require.Equal(t, "true", m.Headers["x-replay"])
		headers := maps.Clone(m.Headers)
		delete(headers, "x-replay")
		delete(headers, "ledger-topic")
		first[i] = kafkabus.Message{Topic: m.Headers["ledger-topic"], Key: m.Key, Headers: headers, Value: m.Value}
	}
	return first
}

// identified maps messages by topic and ce_id to all that they are.
func identified(t testing.TB, all []kafkabus.Message) map[string]string {
	t.Helper()
	byID := map[string]string{}
	for _, m := range all {
		headers, err := json.Marshal(m.Headers)
		require.NoError(t, err)
		id := m.Topic + " " + m.Headers["ce_id"]
		require.NotContains(t, byID, id)
		byID[id] = m.Key + "\n" + string(headers) + "\n" + string(m.Value)
	}
	return byID
}

func since(t testing.TB, all []kafkabus.Message, position int64) []kafkabus.Message {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(all), func(m kafkabus.Message) bool { return positionOf(t, m) < position })
}

// Sent again from anywhere, every message is the first one, to the byte, and in order of its key; the publisher's cursors stay.
func TestReplayIsTheFirstSending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 3)
	w.signCheckpoint(t, 20)
	w.published(t)
	require.NoError(t, stop())
	first, cursors := w.messages(t), w.cursors(t)
	for from := int64(1); from <= int64(len(w.log(t))); from += 8 {
		r := w.replay(t, w.replayTopic(t))
		r.From = from
		sent := w.again(t, r)
		require.Empty(t, cmp.Diff(identified(t, since(t, first, from)), identified(t, firstSending(t, sent))), "from %d on", from)
		last := map[string]int64{}
		for _, m := range sent {
			require.LessOrEqual(t, last[m.Key], positionOf(t, m), "order of key %s", m.Key)
			last[m.Key] = positionOf(t, m)
		}
	}
	require.Equal(t, cursors, w.cursors(t))
}

// The same of a history in which everything happens that may, an erasure included: texts of the erased person are the only difference.
func TestReplayOfARandomHistory(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 61)
	w := worldOf(t, plain(t), l)
	w.foundAll(t)
	stop := w.publish(t)
	l.Random(t, 200)
	w.published(t)
	ann := l.Users[2]
	id := l.Assess(t, ann, 1000)
	l.Change(t, id, fee.Annotate{Note: "annsecret", At: l.Now()})
	l.Queue(t, customer.Stream(ann), ann, customer.MethodAttached{ID: "card", UserID: ann, PaymentMethodID: "pm", CardHolderName: "annsecret", CardHolderZip: "annsecret"})
	l.Flush(t)
	w.published(t)
	l.Erase(t, ann)
	l.Change(t, id, fee.Waive{ReductionID: "w", Amount: ledgertest.USD(t, 100), Reason: "goodwill", At: l.Now()})
	l.Flush(t)
	w.published(t)
	require.NoError(t, stop())
	first := w.messages(t)
	require.Contains(t, fmt.Sprint(identified(t, first)), "annsecret")

	sent := firstSending(t, w.again(t, w.replay(t, w.replayTopic(t))))
	require.NotContains(t, fmt.Sprint(identified(t, sent)), "annsecret")
	want, got := identified(t, first), identified(t, sent)
	for key, body := range got {
		if body != want[key] { // the texts of who was erased after the first sending
			require.Equal(t, withoutTexts(t, want[key]), withoutTexts(t, body), key)
		}
		delete(want, key)
	}
	require.Empty(t, want, "messages that were not sent again")
}

// withoutTexts replaces the personal texts of a message's value.
func withoutTexts(t testing.TB, message string) string {
	t.Helper()
	at := strings.LastIndex(message, "\n")
	var v any
	require.NoError(t, json.Unmarshal([]byte(message[at:]), &v))
	var drop func(any)
	drop = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if slices.Contains([]string{"note", "cardHolderName", "cardHolderZip"}, name) {
					v[name] = nil
				}
				drop(inner)
			}
		case []any:
			for _, inner := range v {
				drop(inner)
			}
		}
	}
	drop(v)
	printed, err := json.Marshal(v)
	require.NoError(t, err)
	return message[:at] + string(printed)
}

// A topic of ours takes its own messages again; consumers that drop what they have seen by ce_id see nothing new.
func TestReplayIntoItsOwnTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 2)
	w.published(t)
	require.NoError(t, stop())
	before := w.messages(t)
	topic := w.names.DB("fee", "updated")
	r := w.replay(t, topic)
	r.Filter.Topics = []string{topic}
	done, err := publisher.Republish(t.Context(), r)
	require.NoError(t, err)
	require.EqualValues(t, len(where(before, topic)), done.Messages)
	after := w.messages(t)
	require.Len(t, after, len(before)+len(where(before, topic)))
	require.Equal(t, byKey(before), byKey(deduped(after)))
}

func TestReplayFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 1)
	theirs := uuid.NewString()
	_, err := w.service.AssessFee(t.Context(), w.request("fee-created"), commands.NewFee{FeeID: theirs, UserID: uuid.NewString(), Amount: usd(100)})
	require.NoError(t, err)
	w.published(t)
	require.NoError(t, stop())
	first := w.messages(t)
	stream := w.log(t)[0].Stream.Name
	for name, c := range map[string]struct {
		filter publisher.Filter
		keep   func(kafkabus.Message) bool
	}{
		"topics": {publisher.Filter{Topics: []string{w.names.DB("fee", "created"), w.names.DB("fee", "updated")}}, func(m kafkabus.Message) bool {
			return m.Topic == w.names.DB("fee", "created") || m.Topic == w.names.DB("fee", "updated")
		}},
		"kind and object": {publisher.Filter{Kinds: []string{"index"}, Objects: []string{"feePayment"}}, func(m kafkabus.Message) bool {
			return strings.Contains(m.Topic, "_feepayment-")
		}},
		"tenant": {publisher.Filter{Tenants: []string{"main"}}, func(kafkabus.Message) bool { return true }},
		"stream": {publisher.Filter{Streams: []string{stream}}, func(m kafkabus.Message) bool { return m.Headers["ledger-stream"] == stream }},
		"person": {publisher.Filter{Persons: []string{userID}, Kinds: []string{"journal"}}, func(m kafkabus.Message) bool {
			return m.Headers["ledger-stream"] != fee.Stream(theirs) && strings.HasSuffix(m.Topic, "-journal") && !strings.HasPrefix(m.Key, "policy")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.replay(t, w.replayTopic(t))
			r.Filter = c.filter
			want := slices.DeleteFunc(slices.Clone(first), func(m kafkabus.Message) bool { return !c.keep(m) })
			require.NotEmpty(t, want)
			require.Empty(t, cmp.Diff(identified(t, want), identified(t, firstSending(t, w.again(t, r)))))
		})
	}
	for text, filter := range map[string]publisher.Filter{
		"topic=nonsense: must be one":              {Topics: []string{"nonsense"}},
		"kind=dbs: must be one":                    {Kinds: []string{"dbs"}},
		"object=Fee: must be one":                  {Objects: []string{"Fee"}},
		"no topic has all of it":                   {Kinds: []string{"journal"}, Objects: []string{"fee"}},
		"tenant=other: must be one":                {Tenants: []string{"other"}},
		"stream=fee-1: must be one":                {Streams: []string{"fee-1"}},
		"person=nobody: must be one that the log ": {Persons: []string{"nobody"}},
		"no stream has all of it":                  {Streams: []string{fee.Stream(theirs)}, Persons: []string{userID}},
	} {
		r := w.replay(t, "unused")
		r.Filter = filter
		_, err := publisher.Republish(t.Context(), r)
		require.ErrorIs(t, err, publisher.ErrBadFilter)
		require.ErrorContains(t, err, text)
	}
}

// victimReplay runs in a process that kills itself: it prints up to where everything is acknowledged.
func (w *world) victimReplay(ctx context.Context, to string, fail func(string)) error {
	bus, err := kafkabus.NewPublisher(w.cfg)
	if err != nil {
		return err
	}
	head, err := w.reader.Head(ctx)
	if err != nil {
		return err
	}
	_, err = publisher.Republish(ctx, publisher.Replay{
		Source: w.source(), Bus: bus, To: to, From: 1, Until: head.Position, Logger: logger(), Failpoint: fail,
		Progress: func(far publisher.Replayed) { fmt.Println(far.Position) },
	})
	return errors.Join(err, errors.New("the replay ended"))
}

// Killed at any message, and run again from behind the position that it told last, a replay is whole; what came twice has the same ce_id.
func TestKilledReplayIsGoneOnWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.someCommands(t, 20)
	w.foundAll(t)
	whole := w.again(t, w.replay(t, w.replayTopic(t)))
	for _, after := range []int{1, len(whole) / 2, len(whole) - 1} {
		t.Run(strconv.Itoa(after), func(t *testing.T) {
			t.Parallel()
			topic := w.replayTopic(t)
			out := w.killed(t, "acknowledged", after, envReplay+"="+topic)
			told := strings.Fields(out)
			r := w.replay(t, topic)
			if len(told) > 0 {
				n, err := strconv.ParseInt(told[len(told)-1], 10, 64)
				require.NoError(t, err)
				r.From = n + 1
			}
			_, err := publisher.Republish(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, identified(t, firstSending(t, whole)), identified(t, firstSending(t, dedupedFirst(w.messagesOn(t, topic)))))
		})
	}
}

// dedupedFirst is deduped for a topic that carries messages of several.
func dedupedFirst(all []kafkabus.Message) []kafkabus.Message {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(m kafkabus.Message) bool {
		id := m.Headers["ledger-topic"] + " " + m.Headers["ce_id"]
		defer func() { seen[id] = true }()
		return seen[id]
	})
}

// Told to stop, a replay says where it is, and goes on from there.
func TestStoppedReplayIsGoneOnWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.someCommands(t, 20)
	topic := w.replayTopic(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := w.replay(t, topic)
	r.Failpoint = func(string) { cancel() } // at the first acknowledgement
	far, err := publisher.Republish(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, far.Position, r.Until)
	stopped := w.messagesOn(t, topic)
	require.Len(t, stopped, int(far.Messages), "what was in hand is sent and counted")
	for _, m := range stopped {
		require.LessOrEqual(t, positionOf(t, m), far.Position, "nothing behind the position that is told")
	}
	r.From, r.Failpoint = far.Position+1, nil
	rest, err := publisher.Republish(t.Context(), r)
	require.NoError(t, err)
	all := w.messagesOn(t, topic)
	require.Len(t, all, int(far.Messages+rest.Messages))
	identified(t, firstSending(t, all)) // each once
}

// A damaged log ends a replay before the event, with what came before sent.
func TestReplayHaltsAtDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.assess(t, 100)
	w.assess(t, 100)
	w.asSuperuser(t, "ALTER TABLE ledger.events DISABLE TRIGGER USER; UPDATE ledger.events SET type = 'fee.from_the_future' WHERE position = 2")
	r := w.replay(t, w.replayTopic(t))
	r.From = 1
	_, err := publisher.Republish(t.Context(), r)
	halted, ok := errors.AsType[*projections.HaltedError](err)
	require.True(t, ok, err)
	require.EqualValues(t, 2, halted.Position)
}

// TestGoldenReplay: what marks a message that is sent again.
func TestGoldenReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.goldenCommands(t)
	r := w.replay(t, w.replayTopic(t))
	r.Filter = publisher.Filter{Topics: []string{w.names.DB("fee", "created"), w.names.Index("fee", "updated"), w.names.Index("fee", "created"), w.names.Route("fee-created")}}
	sent := w.again(t, r)
	slices.SortFunc(sent, func(a, b kafkabus.Message) int {
		return strings.Compare(a.Headers["ledger-position"]+a.Headers["ledger-topic"], b.Headers["ledger-position"]+b.Headers["ledger-topic"])
	})
	list := make([]golden, len(sent))
	for i, m := range sent {
		m.Topic = m.Headers["ledger-topic"]
		list[i] = w.golden(t, m)
	}
	printed, err := json.MarshalIndent(list, "", "  ")
	require.NoError(t, err)
	path := filepath.Join("testdata", "replay.json")
	if *update {
		require.NoError(t, os.WriteFile(path, append(printed, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(printed)+"\n")
}
