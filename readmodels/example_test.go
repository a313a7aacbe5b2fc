package readmodels_test

import (
	"fmt"
	"os"
	"time"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// A row is what its stream's events make of it, one after the other.
func ExampleFold() {
	usd, err := money.ParseCurrency("USD")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	stream := eventstore.StreamID{Tenant: "main", Name: fee.Stream("5f43a1b2c3d4e5f6a7b8c9d0")}
	var state any
	for i, data := range []fee.Event{
		fee.Assessed{FeeID: "5f43a1b2c3d4e5f6a7b8c9d0", UserID: "5f43a1b2c3d4e5f6a7b8c9d1", Amount: money.New(1250, usd), AssessedAt: at},
		fee.PaymentApplied{PaymentID: "p", AllocationID: "a", Amount: money.New(1250, usd)},
	} {
		ev := catalog.Event{Stream: stream, Version: int64(i + 1), EffectiveAt: at, Meta: catalog.Meta{At: at}, Data: data}
		var changes []readmodels.Change
		if state, changes, err = readmodels.Fold(state, ev); err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range changes {
			fmt.Println(c.Object, c.Action)
		}
	}
	os.Stdout.Write(state.(*readmodels.FeeState).Fee.AppendJSON(nil, false))
	// Output:
	// fee created
	// feeEvent created
	// fee updated
	// feeEvent created
	// {"id":"5f43a1b2c3d4e5f6a7b8c9d0","_owner":"5f43a1b2c3d4e5f6a7b8c9d1","userId":"5f43a1b2c3d4e5f6a7b8c9d1","loanId":null,"amount":12.5,"currency":"USD","status":"paid","status_":"paid","statusUpdateDate":"2026-03-04T05:06:07.000Z","reason":null,"note":null,"isActive":true,"recordVersion":1,"createdAt":"2026-03-04T05:06:07.000Z","updatedAt":"2026-03-04T05:06:07.000Z"}
}
