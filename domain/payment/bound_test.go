package payment_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/payment"
)

// The event of a payment names all fees that it goes to, so there is a most.
func TestPaymentsGoToSoManyFeesAtMost(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	many := func(n int) (list []payment.Allocation) {
		for i := range n {
			list = append(list, payment.Allocation{ID: fmt.Sprint("a", i), FeeID: fmt.Sprint("f", i), Amount: usd(1)})
		}
		return list
	}
	for name, command := range map[string]func(n int) ([]payment.Event, error){
		"record": func(n int) ([]payment.Event, error) {
			return payment.Decider.Decide(payment.State{}, payment.Record{PaymentID: "p", UserID: "u", Tender: payment.TenderCash, Amount: usd(int64(n)), Allocations: many(n), At: at})
		},
		"start": func(n int) ([]payment.Event, error) {
			return payment.Decider.Decide(payment.State{}, payment.Start{PaymentID: "p", UserID: "u", Tender: payment.TenderCash, Amount: usd(int64(n)), Allocations: many(n)})
		},
		"reallocate": func(n int) ([]payment.Event, error) {
			from := payment.Allocation{ID: "a", FeeID: "f", Amount: usd(int64(n))}
			state := payment.Decider.Evolve(payment.State{}, payment.Captured{PaymentID: "p", Amount: from.Amount, Allocations: []payment.Allocation{from}, Credit: usd(0)})
			return payment.Decider.Decide(state, payment.Reallocate{Taken: []payment.Taken{{AllocationID: "a", Amount: from.Amount}}, Given: many(n)})
		},
	} {
		events, err := command(payment.MaxAllocations)
		require.NoError(t, err, name)
		require.Len(t, events, 1, name)
		_, err = command(payment.MaxAllocations + 1)
		require.ErrorIs(t, err, payment.ErrTooManyFees, name)
	}
}
