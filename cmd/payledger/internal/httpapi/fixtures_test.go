package httpapi_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/customer"
	"payledger/domain/gateway"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// append stores events that no route causes, or that a test wants without the route that does.
func (w *world) append(stream, person string, events ...any) {
	w.t.Helper()
	key, err := w.vault.Ensure(context.Background(), tenant, person)
	require.NoError(w.t, err)
	id := eventstore.StreamID{Tenant: tenant, Name: stream}
	appended := eventstore.Append{Stream: id, Subject: person}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for _, data := range events {
		ev, err := w.catalog.Encode(catalog.EncodeArgs{
			Key: &key, Stream: id, ID: uuid.Must(uuid.NewV7()), Data: data, EffectiveAt: now, Meta: catalog.Meta{At: now, Actor: catalog.Actor{Kind: "staff", ID: staffID}},
		})
		require.NoError(w.t, err)
		appended.Events = append(appended.Events, ev)
	}
	_, err = w.store.Commit(context.Background(), eventstore.Commit{
		ID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamID{id},
		Decide: func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{appended}, Keys: []uuid.UUID{key.ID}}, nil
		},
	})
	require.NoError(w.t, err)
	w.projected()
}

// gatewayPayment records a payment at a gateway for an order of a person, and returns its id: of two, the later one's is higher, so that
// it is the newer one also if both are of one millisecond.
func (w *world) gatewayPayment(person, orderID, paymentID string) string {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	w.append(gateway.Stream(id), person, gateway.Recorded{
		ID: id, OwnerID: person, OrderID: orderID, PaymentID: paymentID, PaymentStatus: "requires_action", StatusLiteral: "started", RedirectURL: "https://pay.example/1",
	})
	return id
}

// allocation returns the id of a payment's first allocation.
func (r reply) allocation() string {
	r.t.Helper()
	var list []map[string]any
	require.NoError(r.t, json.Unmarshal(r.raw("payment", "allocations"), &list))
	require.NotEmpty(r.t, list, "%s", r.body)
	return list[0]["id"].(string)
}

// customerOf links a person to the payment platform, with a card.
func (w *world) customerOf(person string) {
	w.t.Helper()
	w.append(customer.Stream(person), person,
		customer.Linked{ID: uuid.NewString(), UserID: person, CustomerID: "cus_" + uuid.NewString(), Platform: "stripe"},
		customer.MethodAttached{
			ID: uuid.NewString(), UserID: person, PaymentMethodID: "pm_" + uuid.NewString(), CustomerID: "cus_1", CardHolderName: "Renée Ferrer", CardHolderZip: "75005", Platform: "stripe",
			Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 12, ExpYear: 2030},
		})
}

// note adds a note that the member sees to a fee of a person, and returns its id.
func (w *world) note(person string) string {
	w.t.Helper()
	return w.do("POST", "/feeevents", w.staff(), `{"feeId":"`+w.assessFor(person, "5")+`","eventType":"note","note":"asked by phone"}`).wants(201).str("feeEvent", "id")
}

// feePayment takes 2 of the 5 of a new fee of a person, and returns the row's id.
func (w *world) feePayment(person string) string {
	w.t.Helper()
	return w.do("POST", "/feepayments", w.staff(), `{"feeId":"`+w.assessFor(person, "5")+`","userId":"`+person+
		`","amountPaid":2,"paymentMethod":"cash","paymentStatus":"complete"}`).wants(201).str("feePayment", "id")
}

// payment takes 2 of a person who owes 5, and returns the payment's id.
func (w *world) payment(person string) string {
	w.t.Helper()
	id := w.assessFor(person, "5")
	return w.do("POST", "/payments", w.staff(), `{"userId":"`+person+`","tender":"cash","amount":2,"allocations":[{"feeId":"`+id+`","amount":2}]}`).
		wants(201).str("payment", "id")
}

// credit grants a person 3, and returns the credit's id.
func (w *world) credit(person string) string {
	w.t.Helper()
	return w.do("POST", "/credits", w.token(staffID, "finance"), `{"userId":"`+person+`","amount":3,"reason":"goodwill"}`).wants(201).str("credit", "id")
}
