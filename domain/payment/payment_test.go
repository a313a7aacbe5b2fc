package payment_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/money"
	"payledger/domain/payment"
)

type (
	testCase = decidertest.Case[payment.Command, payment.Event]
	events   = []payment.Event
)

var at = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// amounts returns a maker of amounts of a currency.
func amounts(t *testing.T, code string) func(minor int64) money.Amount {
	t.Helper()
	cur, err := money.ParseCurrency(code)
	require.NoError(t, err)
	return func(minor int64) money.Amount { return money.New(minor, cur) }
}

func TestRecord(t *testing.T) {
	t.Parallel()
	usd, jpy := amounts(t, "USD"), amounts(t, "JPY")
	part := func(id, feeID string, amount money.Amount) payment.Allocation {
		return payment.Allocation{ID: id, FeeID: feeID, Amount: amount}
	}
	record := func(creditID string, parts ...payment.Allocation) payment.Record {
		return payment.Record{
			PaymentID: "p1", UserID: "u1", Tender: payment.TenderCash, Amount: usd(1000), HandledBy: "s1",
			Allocations: parts, CreditID: creditID, Note: "n", At: at,
		}
	}
	captured := func(creditID string, credit int64, parts ...payment.Allocation) events {
		return events{payment.Captured{
			PaymentID: "p1", UserID: "u1", Tender: payment.TenderCash, Amount: usd(1000), HandledBy: "s1",
			Allocations: parts, CreditID: creditID, Credit: usd(credit), Note: "n",
		}}
	}
	all, some, more := part("a1", "f1", usd(1000)), part("a1", "f1", usd(300)), part("a2", "f2", usd(700))
	nothing, unknown := record("c1", all), record("c1", all)
	nothing.Amount, unknown.Tender = usd(0), "gold"
	decidertest.Run(
		t, payment.Decider,
		testCase{Name: "one fee", When: record("", all), Then: captured("", 0, all)},
		testCase{Name: "many fees", When: record("", some, more), Then: captured("", 0, some, more)},
		testCase{Name: "no rest, no credit", When: record("c1", all), Then: captured("", 0, all)},
		testCase{Name: "the rest is a credit", When: record("c1", some), Then: captured("c1", 700, some)},
		testCase{Name: "all is a credit", When: record("c1"), Then: captured("c1", 1000)},
		testCase{Name: "id in use", Given: captured("", 0, all), When: record("", all), Err: payment.ErrExists},
		testCase{Name: "unknown tender", When: unknown, Err: payment.ErrUnknownTender},
		testCase{Name: "nothing", When: nothing, Err: money.ErrNotPositive},
		testCase{Name: "allocates nothing", When: record("c1", part("a1", "f1", usd(0))), Err: money.ErrNotPositive},
		testCase{Name: "allocates less than nothing", When: record("c1", all, part("a2", "f2", usd(-1))), Err: money.ErrNotPositive},
		testCase{Name: "two currencies", When: record("c1", part("a1", "f1", jpy(1))), Err: money.ErrCurrencyMismatch},
		testCase{Name: "one id twice", When: record("c1", some, part("a1", "f2", usd(1))), Err: payment.ErrDuplicateAllocation},
		testCase{Name: "one fee twice", When: record("c1", some, part("a2", "f1", usd(1))), Err: payment.ErrDuplicateFee},
		testCase{Name: "too much", When: record("c1", all, part("a2", "f2", usd(1))), Err: payment.ErrOverAllocated},
		testCase{Name: "rest without a credit", When: record("", some), Err: payment.ErrNoTarget},
		testCase{Name: "no target at all", When: record(""), Err: payment.ErrNoTarget},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}

func TestCapturedOwnsItsAllocations(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	given := []payment.Allocation{{ID: "a1", FeeID: "f1", Amount: usd(1000)}}
	record := payment.Record{Tender: payment.TenderPOS, Amount: usd(1000), Allocations: given}
	decided, err := payment.Decider.Decide(payment.State{}, record)
	require.NoError(t, err)
	given[0].Amount = usd(1)
	require.Equal(t, usd(1000), decided[0].(payment.Captured).Allocations[0].Amount)
}

func TestCapturedWithoutAllocationsIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	record := payment.Record{Tender: payment.TenderCheck, Amount: usd(1000), CreditID: "c1"}
	decided, err := payment.Decider.Decide(payment.State{}, record)
	require.NoError(t, err)
	data, err := json.Marshal(decided[0])
	require.NoError(t, err)
	require.Contains(t, string(data), `"allocations":[]`)
}
