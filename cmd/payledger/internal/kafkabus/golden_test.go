package kafkabus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/commands"
	"payledger/domain/customer"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/storetest"
	"payledger/internal/schematest"
	"payledger/projections/publisher"
	"payledger/proof"
	"payledger/readmodels"
	"payledger/readmodels/proofs"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is a message as the golden files show it. What no two runs have in common is replaced by a word.
type golden struct {
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   json.RawMessage   `json:"value"`
}

// The messages of a fee that is assessed, partly paid, and waived, and of whatever else may happen: body and headers of every
// topic that has any.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.goldenCommands(t)
	w.goldenEvents(t)
	w.signCheckpoint(t, 9999)
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	slices.SortStableFunc(all, func(a, b kafkabus.Message) int { return int(positionOf(t, a) - positionOf(t, b)) })

	var files, silent []string
	for _, topic := range publisher.Topics(w.names) {
		some := where(all, topic.Topic)
		if len(some) == 0 && topic.Kind == publisher.KindRoute {
			continue // sent by the API as it answers
		}
		if len(some) == 0 {
			silent = append(silent, w.plainName(topic.Topic))
			continue
		}
		list := make([]golden, len(some))
		for i, m := range some {
			list[i] = w.golden(t, m)
		}
		printed, err := json.MarshalIndent(list, "", "  ")
		require.NoError(t, err)
		name := w.plainName(topic.Topic) + ".json"
		files = append(files, name)
		path := filepath.Join("testdata", "messages", name)
		if *update {
			require.NoError(t, os.WriteFile(path, append(printed, '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(printed)+"\n", name)
	}
	require.Equal(t, []string{
		"librarymanagementsystem-payment-service-dbevent-paymentcustomer-deleted",
		"librarymanagementsystem-payment-service-dbevent-paymentmethod-updated",
		"elastic-index-librarymanagementsystem_paymentcustomer-deleted",
	}, silent, "nothing causes these in this version")
	entries, err := os.ReadDir(filepath.Join("testdata", "messages"))
	require.NoError(t, err)
	require.Len(t, entries, len(files), "a golden file without its topic")
}

func (w *world) goldenCommands(t testing.TB) {
	t.Helper()
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	command := func(n byte, topic string) commands.Request {
		id := uuid.MustParse("01937b2a-0000-7000-8000-000000000000")
		id[12] = n
		return w.requestAs(id, at.Add(time.Duration(n)*time.Minute), topic)
	}
	const feeID = "01937b2a-0000-7000-8000-0000000000cc"
	_, err := w.service.AssessFee(t.Context(), command(1, "fee-created"), commands.NewFee{
		FeeID: feeID, UserID: userID, LoanID: loanID, Amount: usd(1999), Reason: "overdue",
	})
	require.NoError(t, err)
	pay := paymentOf(1200, share(feeID, 1000))
	pay.Note = ""
	_, err = w.service.RecordPayment(t.Context(), command(2, ""), pay)
	require.NoError(t, err)
	waived := readmodels.FeeWaived
	_, err = w.service.PatchFee(t.Context(), command(3, "fee-updated"), patchOf(feeID, &waived, ""))
	require.NoError(t, err)
}

// goldenEvents are what happens to rows that the commands above don't touch.
func (w *world) goldenEvents(t testing.TB) {
	t.Helper()
	const (
		feeID, noteID, paymentID, shareID = "01937b2a-0000-7000-8000-0000000000cd", "01937b2a-0000-7000-8000-0000000000ce", "01937b2a-0000-7000-8000-0000000000cf", "01937b2a-0000-7000-8000-0000000000d0"
		gatewayID, customerID, methodID   = "01937b2a-0000-7000-8000-0000000000d1", "01937b2a-0000-7000-8000-0000000000d2", "01937b2a-0000-7000-8000-0000000000d3"
	)
	put := func(object readmodels.Object, id, stream, value string) appended {
		return appended{extension.Stream(string(object), id), extension.Put{
			Object: string(object), ID: id, Stream: stream, Name: "reminders", Elements: []extension.Element{{ID: "1", Value: extension.Value(value)}},
		}}
	}
	of, money := fee.Stream(feeID), payment.Stream(paymentID)
	w.append(t,
		appended{of, fee.Assessed{FeeID: feeID, UserID: userID, Amount: usd(500), Reason: "damage", AssessedAt: goldenStart()}},
		appended{of, fee.NoteAdded{NoteID: noteID, Visibility: fee.VisibilityPatron, Note: "asked for time"}},
		appended{of, fee.NoteChanged{NoteID: noteID, Note: "asked for a month"}},
		put(readmodels.ObjectFeeEvent, noteID, of, `{"id":"1","sent":true}`),
		appended{of, fee.NoteHidden{NoteID: noteID}},
		appended{money, payment.Started{
			PaymentID: paymentID, UserID: userID, Tender: payment.TenderPOS, Amount: usd(500), HandledBy: staffID,
			Allocations: []payment.Allocation{{ID: shareID, FeeID: feeID, Amount: usd(500)}},
		}},
		appended{of, fee.PaymentReserved{PaymentID: paymentID, AllocationID: shareID, Amount: usd(500)}},
		appended{money, payment.Annotated{AllocationID: shareID, Note: "the terminal is slow"}},
		put(readmodels.ObjectFeePayment, shareID, money, `{"id":"1"}`),
		put(readmodels.ObjectFee, feeID, of, `{"id":"1"}`),
		put(readmodels.ObjectFee, feeID, of, `{"id":"1","again":true}`),
		appended{money, payment.Cancelled{PaymentID: paymentID, Hidden: true}},
		appended{of, fee.ReservationReleased{PaymentID: paymentID, AllocationID: shareID, Amount: usd(500), Cause: fee.ReleaseCanceled}},
		appended{of, fee.Cancelled{Amount: usd(500), Cause: fee.CauseError, Hidden: true}},
		appended{gateway.Stream(gatewayID), gateway.Recorded{
			ID: gatewayID, OwnerID: userID, OrderID: feeID, PaymentID: "pi_1", PaymentStatus: "requires_action", StatusLiteral: "started",
		}},
		appended{gateway.Stream(gatewayID), gateway.Updated{PaymentID: "pi_1", PaymentStatus: "canceled", StatusLiteral: "canceled"}},
		appended{gateway.Stream(gatewayID), gateway.Deleted{ID: gatewayID}},
		appended{customer.Stream(userID), customer.Linked{ID: customerID, UserID: userID, CustomerID: "cus_1", Platform: "stripe"}},
		appended{customer.Stream(userID), customer.Linked{ID: customerID, UserID: userID, CustomerID: "cus_2", Platform: "stripe"}},
		put(readmodels.ObjectPaymentCustomer, customerID, customer.Stream(userID), `{"id":"1"}`),
		appended{customer.Stream(userID), customer.MethodAttached{
			ID: methodID, UserID: userID, PaymentMethodID: "pm_1", CustomerID: "cus_2", Platform: "stripe",
			Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 4, ExpYear: 2031},
		}},
		put(readmodels.ObjectPaymentMethod, methodID, customer.Stream(userID), `{"id":"1"}`),
		put(readmodels.ObjectPaymentMethod, methodID, customer.Stream(userID), `{"id":"1","again":true}`),
		appended{customer.Stream(userID), customer.MethodDetached{ID: methodID, Cause: "user"}},
	)
}

// signCheckpoint stores a checkpoint as the projection proofs does, signed by a key for tests only, and waits until it was sent.
func (w *world) signCheckpoint(t testing.TB, size int64) {
	t.Helper()
	signers, err := proof.ParseSigners("PRIVATE+KEY+ledger.example.org/library+e331dfe8+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
	require.NoError(t, err)
	c := proof.Checkpoint{Origin: signers.Origin(), Size: size, Root: tlog.Hash{1}, Epoch: 1, Head: [32]byte{2}, SignedAt: goldenStart()}
	note, err := signers.Sign(c)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), w.projector, func(tx pgx.Tx) error {
		if _, err := proofs.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		_, err := proofs.AddCheckpoint(t.Context(), tx, c, note)
		return err
	}))
	require.Eventually(t, func() bool {
		unsent, err := proofs.Unsent(t.Context(), w.projector)
		return err == nil && len(unsent) == 0
	}, patience, 10*time.Millisecond)
}

func goldenStart() time.Time { return time.Date(2026, 3, 4, 6, 0, 0, 0, time.UTC) }

// appended is an event of userID's that no command of the test decides.
type appended struct {
	stream string
	data   any
}

// append stores events with ids and times that are the same in every run.
func (w *world) append(t testing.TB, events ...appended) {
	t.Helper()
	store := storetest.OpenOn(t, w.db, func(c *eventstore.Config) { c.Folder, c.Keys = noState{}, w.vault })
	key, err := w.vault.Ensure(t.Context(), "main", userID)
	require.NoError(t, err)
	for i, e := range events {
		id := uuid.MustParse("01937b2a-0000-7000-8000-00000000e000")
		id[15] = byte(i)
		at := goldenStart().Add(time.Duration(i) * time.Minute)
		stream := eventstore.StreamID{Tenant: "main", Name: e.stream}
		event, err := catalog.New().Encode(catalog.EncodeArgs{
			Key: &key, Stream: stream, ID: id, Data: e.data, EffectiveAt: at,
			Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: staffID, Roles: []string{"staff"}}, At: at, Channel: "api"},
		})
		require.NoError(t, err)
		id[14]++
		_, err = store.Commit(t.Context(), eventstore.Commit{
			ID: id, Streams: []eventstore.StreamID{stream}, Decide: func(eventstore.View) (eventstore.Decision, error) {
				return eventstore.Decision{Appends: []eventstore.Append{{Stream: stream, Subject: userID, Events: []eventstore.NewEvent{event}}}}, nil
			},
		})
		require.NoError(t, err)
	}
}

// noState is a folder for a store whose decisions look at nothing.
type noState struct{}

func (noState) Fold(context.Context, eventstore.Keys, eventstore.StreamID, any, []eventstore.Recorded) (any, error) {
	return struct{}{}, nil
}

func (w *world) golden(t testing.TB, m kafkabus.Message) golden {
	t.Helper()
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, m.Value))
	require.Equal(t, compact.String(), string(m.Value), "bodies have no white space")
	schematest.Message(t, w.plainName(m.Topic), m.Headers, m.Value)
	g := golden{Key: m.Key, Headers: map[string]string{}, Value: m.Value}
	for name, value := range m.Headers {
		g.Headers[name] = w.plainName(value)
	}
	_, err := time.Parse(time.RFC3339Nano, g.Headers["ce_time"])
	require.NoError(t, err)
	if g.Headers["ledger-action"] != "signed" {
		g.Headers["ce_time"] = "RECORDED"
	}
	if hash, ok := g.Headers["ledger-hash"]; ok {
		require.Len(t, hash, 64)
		g.Headers["ledger-hash"] = "HASH"
		g.Headers["ledger-metadata"] = regexp.MustCompile(`"answerHash":"[0-9a-f]{64}"`).ReplaceAllString(g.Headers["ledger-metadata"], `"answerHash":"HASH"`)
	}
	// Sealed texts are other ones in every run.
	g.Value = regexp.MustCompile(`"v1\.[0-9a-f-]{36}\.[^"]+"`).ReplaceAll(g.Value, []byte(`"SEALED"`))
	return g
}

// A large answer goes out with its rows emptied; a command that changed nothing has a route event at the head's position.
func TestRouteEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	stop := w.publish(t)
	id := w.assess(t, 100)
	w.patch(t, id, readmodels.FeeWaived, "")
	w.patch(t, id, readmodels.FeeWaived, "")
	body := `{"status":"OK","dataName":"fees","fees":[{"note":"` + strings.Repeat("x", publisher.MaxRouteBody) + `"}],"filters":[]}`
	w.asSuperuser(t, `WITH h AS (UPDATE ledger.head SET route = route + 1 RETURNING route)
		INSERT INTO ledger.route_events SELECT h.route, r.commit_id, r.topic, 'large', '{"traceparent":""}', convert_to($$`+body+`$$, 'UTF8'), now()
		FROM h, ledger.route_events r WHERE r.number = 1`)
	w.foundAll(t)
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	updated := where(all, w.names.Route("fee-updated"))
	require.Len(t, updated, 2)
	slices.SortFunc(updated, func(a, b kafkabus.Message) int { return strings.Compare(a.Key, b.Key) })
	require.Equal(t, "fee-"+id, updated[0].Headers["ledger-stream"])
	require.Equal(t, "2", updated[1].Headers["ledger-position"], "the head at which it was answered")
	require.NotContains(t, updated[1].Headers, "ledger-stream", "it has no event")
	created := where(all, w.names.Route("fee-created"))
	require.Len(t, created, 2)
	for _, m := range created {
		if m.Key != "large" {
			require.NotContains(t, m.Headers, "ledger-truncated")
			continue
		}
		require.Equal(t, "true", m.Headers["ledger-truncated"])
		require.Equal(t, strings.Replace(body, body[strings.Index(body, `[{`):strings.Index(body, `]`)+1], "[]", 1), string(m.Value))
		require.NotContains(t, m.Headers, "traceparent", "an empty header is none")
	}
}
