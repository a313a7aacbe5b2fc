package gateway_test

import (
	"slices"
	"testing"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/gateway"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	type (
		testCase = decidertest.Case[gateway.Command, gateway.Event]
		events   = []gateway.Event
	)
	record := gateway.Record{ID: "g1", OwnerID: "u1", OrderID: "f1", PaymentID: "pi_1", PaymentStatus: "processing", StatusLiteral: "started", RedirectURL: "https://back"}
	recorded := events{gateway.Recorded{ID: "g1", OwnerID: "u1", OrderID: "f1", PaymentID: "pi_1", PaymentStatus: "processing", StatusLiteral: "started", RedirectURL: "https://back"}}
	updated := gateway.Updated{PaymentID: "pi_1", PaymentStatus: "succeeded", StatusLiteral: "success"}
	update := gateway.Update{PaymentStatus: new("succeeded"), StatusLiteral: new("success"), RedirectURL: new("")}
	deleted := slices.Concat(recorded, events{gateway.Deleted{ID: "g1"}})
	decidertest.Run(
		t, gateway.Decider,
		testCase{Name: "records", When: record, Then: recorded},
		testCase{Name: "id in use", Given: recorded, When: record, Err: gateway.ErrExists},
		testCase{Name: "id of a deleted one", Given: deleted, When: record, Err: gateway.ErrExists},
		testCase{Name: "updates, and keeps the rest", Given: recorded, When: update, Then: events{updated}},
		testCase{Name: "is updated", Given: append(recorded[:1:1], updated), When: update},
		testCase{Name: "updates nothing", Given: recorded, When: gateway.Update{}},
		testCase{Name: "updates what isn't there", When: update, Err: gateway.ErrNotFound},
		testCase{Name: "updates what is deleted", Given: deleted, When: update, Err: gateway.ErrNotFound},
		testCase{Name: "deletes", Given: recorded, When: gateway.Delete{}, Then: deleted[1:]},
		testCase{Name: "deletes again", Given: deleted, When: gateway.Delete{}, Err: gateway.ErrNotFound},
		testCase{Name: "deletes nothing", When: gateway.Delete{}, Err: gateway.ErrNotFound},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}
