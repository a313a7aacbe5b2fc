package kafkabus_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/internal/schematest"
	"payledger/projections"
	"payledger/projections/publisher"
	"payledger/readmodels"
)

// expected is every message that a log must have led to, worked out from the log alone: "topic ce_id" of each, in order of
// position, by topic and key. It is written against the contract, not with the publisher's code.
func (w *world) expected(t testing.TB) map[string][]string {
	t.Helper()
	want := map[string][]string{}
	put := func(topic, id, key, about string) {
		at := topic + " " + key
		want[at] = append(want[at], fmt.Sprintf("%s/%s/%s", id, about, key))
	}
	service := w.names.LibraryService
	gone := map[string]bool{} // documents that are tombstones
	states := map[string]any{}
	for _, rec := range w.log(t) {
		id, stream := rec.ID.String(), rec.Stream.Name
		put(service+"-journal", id, stream, service+"-journal")
		ev, err := catalog.New().Decode(t.Context(), w.vault, &rec)
		require.NoError(t, err)
		state, changes, err := readmodels.Fold(states[stream], ev)
		require.NoError(t, err)
		states[stream] = state
		documents := map[string]string{} // what happens to each, by object and id
		for _, c := range changes {
			object := strings.TrimSuffix(string(c.Object), ".gateway")
			topic := service + "-dbevent-" + strings.ToLower(object) + "-" + string(c.Action)
			put(topic, id, c.New.Key(), topic)
			documents[object+" "+c.New.Key()] = string(c.Action)
		}
		for _, c := range changes { // what belongs to a fee is told by the fee's own change, if there is one
			feeID := c.New.Parent()
			if _, told := documents["fee "+feeID]; feeID == "" || told && documents["fee "+feeID] != "extended" {
				continue
			}
			documents["fee "+feeID] = "extended"
			if c.Action != readmodels.ActionCreated {
				documents["fee "+feeID] = "updated"
			}
		}
		if extended, ok := ev.Data.(extension.Put); ok {
			documents[strings.TrimSuffix(extended.Object, ".gateway")+" "+extended.ID] = w.extends(states, extended)
		}
		for document, action := range documents {
			object, key, _ := strings.Cut(document, " ")
			index := "elastic-index-" + w.names.LibraryIndexPrefix + "_" + strings.ToLower(object) + "-"
			if gone[document] {
				continue
			}
			gone[document] = action == "deleted"
			put(index+action, id, key, index+action)
			if action == "updated" {
				put(index+"created", id, key, index+"updated")
			}
		}
	}
	rows, err := w.projector.Query(t.Context(), "SELECT commit_id::text, topic, key FROM ledger.route_events ORDER BY number")
	require.NoError(t, err)
	for rows.Next() {
		var commit, topic, key string
		require.NoError(t, rows.Scan(&commit, &topic, &key))
		want[topic+" "+key] = append(want[topic+" "+key], commit+"/"+topic)
	}
	require.NoError(t, rows.Err())
	return want
}

// extends says what elements of another service do to a document: extended if all of them are new there.
func (w *world) extends(known map[string]any, put extension.Put) string {
	action := "extended"
	for _, e := range put.Elements {
		at := "element of " + put.Object + " " + put.ID + " " + put.Name + " " + e.ID
		if known[at] != nil {
			action = "updated"
		}
		known[at] = true
	}
	return action
}

// byKey orders messages as a consumer sees them: by topic and key, in the order of the partition.
func byKey(all []kafkabus.Message) map[string][]string {
	got := map[string][]string{}
	for _, m := range all {
		at := m.Topic + " " + m.Key
		got[at] = append(got[at], m.Headers["ce_id"])
	}
	return got
}

// someCommands writes a bit of everything: payments over several fees, part payments, overpayment, waivers, notes.
func (w *world) someCommands(t testing.TB, rounds int) {
	t.Helper()
	for range rounds {
		a, b, c, d := w.assess(t, 1250), w.assess(t, 300), w.assess(t, 500), w.assess(t, 700)
		w.pay(t, 1000, share(a, 700), share(b, 300))
		w.pay(t, 600, share(a, 550))
		w.patch(t, c, readmodels.FeeWaived, "first time")
		w.patch(t, c, readmodels.FeeUnpaid, "a note")
		w.patch(t, d, readmodels.FeePaid, "")
		w.patch(t, d, readmodels.FeePaid, "") // so already: a route event without events
	}
}

func TestEveryMessageOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.someCommands(t, 10)
	w.published(t)
	require.NoError(t, stop())
	require.Empty(t, cmp.Diff(w.expected(t), byKey(w.messages(t))))
}

// The same of a history in which everything happens that may.
func TestEveryMessageOfARandomHistory(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 61)
	w := worldOf(t, plain(t), l)
	w.foundAll(t)
	stop := w.publish(t)
	l.Random(t, 500)
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	require.Empty(t, cmp.Diff(w.expected(t), byKey(all)))
	for _, m := range all {
		schematest.Message(t, w.plainName(m.Topic), m.Headers, m.Value)
	}
}

// A publisher that starts anew in the middle has forgotten all rows and documents; it must say the same as one that never stopped.
func TestRestartSaysTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inProcess(t))
	w.foundAll(t)
	w.someCommands(t, 2)
	w.wantSameFromEverywhere(t, 1)
}

// The same of a history in which everything happens that may.
func TestRestartInARandomHistory(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 62)
	w := worldOf(t, inProcess(t), l)
	w.foundAll(t)
	l.Random(t, 300)
	w.wantSameFromEverywhere(t, 23)
}

// A fee and the document of its payment, both folded anew, have one stream in common.
func TestRestartBetweenAPaymentAndItsFee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inProcess(t))
	w.foundAll(t)
	const feeID, paymentID, shareID = "01937b2a-0000-7000-8000-0000000000cd", "01937b2a-0000-7000-8000-0000000000ce", "01937b2a-0000-7000-8000-0000000000cf"
	put := appended{extension.Stream("feePayment", shareID), extension.Put{
		Object: "feePayment", ID: shareID, Stream: payment.Stream(paymentID), Name: "receipts", Elements: []extension.Element{{ID: "1", Value: `{"id":"1"}`}},
	}}
	w.append(t,
		appended{fee.Stream(feeID), fee.Assessed{FeeID: feeID, UserID: userID, Amount: usd(500), AssessedAt: goldenStart()}},
		appended{payment.Stream(paymentID), payment.Captured{
			PaymentID: paymentID, UserID: userID, Tender: payment.TenderCash, Amount: usd(500), Credit: usd(0),
			Allocations: []payment.Allocation{{ID: shareID, FeeID: feeID, Amount: usd(500)}},
		}},
		appended{fee.Stream(feeID), fee.PaymentApplied{PaymentID: paymentID, AllocationID: shareID, Amount: usd(500)}},
		put, put, appended{fee.Stream(feeID), fee.Annotated{Note: "thanks"}},
	)
	w.wantSameFromEverywhere(t, 1)
}

// wantSameFromEverywhere publishes the log from its start and again from every step-th position, each time by a publisher that
// remembers nothing.
func (w *world) wantSameFromEverywhere(t *testing.T, step int) {
	t.Helper()
	bodies := func() map[string]string {
		all := map[string]string{}
		for _, m := range w.messages(t) {
			if !strings.HasPrefix(m.Key, "request-") {
				all[m.Headers["ledger-position"]+" "+w.plainName(m.Topic)+" "+m.Key] = string(m.Value)
			}
		}
		return all
	}
	stop := w.publish(t)
	w.published(t)
	require.NoError(t, stop())
	warm := bodies()
	for position := 0; position < len(w.log(t)); position += step {
		_, err := w.projector.Exec(t.Context(), "UPDATE ledger.cursors SET position = $1 WHERE name <> 'route'", position)
		require.NoError(t, err)
		w.names = names() // fresh topics, same log
		stop := w.publish(t)
		w.published(t)
		require.NoError(t, stop())
		want := map[string]string{}
		for key, body := range warm {
			if positionIn(t, key) > position {
				want[key] = body
			}
		}
		require.Empty(t, cmp.Diff(want, bodies()), "from %d on", position)
	}
}

func positionIn(t testing.TB, key string) int {
	t.Helper()
	number, _, _ := strings.Cut(key, " ")
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	return n
}

func TestIndexEventsWaitUntilTheDocumentCanBeFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	stop := w.publish(t)
	id := w.assess(t, 1250)
	w.pay(t, 200, share(id, 200))
	w.patch(t, id, readmodels.FeeUnpaid, "hello")
	head := int64(len(w.log(t)))
	require.EqualValues(t, 4, head)
	for position := range head {
		w.found(t, position+1)
		require.Eventually(t, func() bool {
			at := w.cursors(t)
			require.LessOrEqual(t, at["index"], position+1)
			return at["index"] == position+1 && at["db"] == head
		}, patience, publishEvery)
		for _, m := range w.messages(t) {
			if strings.HasPrefix(m.Topic, "elastic-index-") {
				n, err := strconv.ParseInt(m.Headers["ledger-position"], 10, 64)
				require.NoError(t, err)
				require.LessOrEqual(t, n, position+1)
			}
		}
	}
	require.NoError(t, stop())
}

func TestIndexUpdatesOnCreatedTopicCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t, func(c *publisher.Config) { c.IndexUpdatedOnCreatedTopic = false })
	id := w.assess(t, 1250)
	w.patch(t, id, readmodels.FeeWaived, "")
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	require.Len(t, where(all, w.names.Index("fee", "created")), 1)
	require.Len(t, where(all, w.names.Index("fee", "updated")), 1)
}

func TestFreshLogMakesCursors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.asSuperuser(t, "DELETE FROM ledger.cursors")
	stop := w.publish(t)
	require.Eventually(t, func() bool { return len(w.cursors(t)) == 3 }, patience, publishEvery)
	require.NoError(t, stop())
	require.Equal(t, map[string]int64{"db": 0, "index": 0, "route": 0}, w.cursors(t))
}

func TestHaltsVisibly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage string
		want   error
	}{
		"cursors gone":          {"DELETE FROM ledger.cursors", publisher.ErrNoCursors},
		"one cursor gone":       {"DELETE FROM ledger.cursors WHERE name = 'route'", publisher.ErrNoCursors},
		"cursor beyond the log": {"UPDATE ledger.cursors SET position = 99 WHERE name = 'index'", publisher.ErrCursorBeyondLog},
		"another log":           {"UPDATE ledger.checkpoints SET hash = decode(repeat('ab', 32), 'hex') WHERE projection = 'publisher'", projections.ErrOtherLog},
		"unknown event":         {"ALTER TABLE ledger.events DISABLE TRIGGER USER; UPDATE ledger.events SET type = 'fee.from_the_future' WHERE position = 2", catalog.ErrUnknownType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plain(t))
			w.foundAll(t)
			stop := w.publish(t)
			w.assess(t, 100)
			w.published(t)
			require.NoError(t, stop())
			w.assess(t, 100)
			before := w.cursors(t)
			w.asSuperuser(t, c.damage)

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := publisher.Run(ctx, w.settings(ctx))
			require.ErrorIs(t, err, c.want)
			var halted *projections.HaltedError
			require.ErrorAs(t, err, &halted)
			var state, problem string
			require.NoError(t, w.projector.QueryRow(t.Context(), "SELECT state, problem FROM ledger.checkpoints WHERE projection = 'publisher'").Scan(&state, &problem))
			require.Equal(t, "halted", state)
			require.NotEmpty(t, problem)
			require.Equal(t, before["db"], w.cursorOr(t, "db", before["db"]), "nothing was skipped")
		})
	}
}

func (w *world) cursorOr(t testing.TB, name string, fallback int64) int64 {
	t.Helper()
	if at, ok := w.cursors(t)[name]; ok {
		return at
	}
	return fallback
}

func (w *world) asSuperuser(t testing.TB, sql string) {
	t.Helper()
	conn := connectTo(t, w.db.SuperURL)
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// plainName returns a topic's name as the contract has it.
func (w *world) plainName(topic string) string {
	topic = strings.Replace(topic, w.names.LibraryService, publisher.DefaultLibraryService, 1)
	return strings.Replace(topic, w.names.LibraryIndexPrefix, publisher.DefaultLibraryIndexPrefix, 1)
}

func connectTo(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}
