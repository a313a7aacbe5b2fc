package fee_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/fee"
	"payledger/domain/money"
)

type (
	testCase = decidertest.Case[fee.Command, fee.Event]
	events   = []fee.Event
)

var (
	opened  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	later   = opened.Add(time.Hour)
	earlier = opened.Add(-time.Nanosecond)
)

func currency(t *testing.T, code string) money.Currency {
	t.Helper()
	cur, err := money.ParseCurrency(code)
	require.NoError(t, err)
	return cur
}

// setup returns a fee of 10.00 USD and a maker of USD amounts.
func setup(t *testing.T) (fee.Assessed, func(minor int64) money.Amount) {
	t.Helper()
	cur := currency(t, "USD")
	usd := func(minor int64) money.Amount { return money.New(minor, cur) }
	return fee.Assessed{
		FeeID: "f1", UserID: "u1", LoanID: "l1", Amount: usd(1000), Reason: "overdue", Note: "first", AssessedAt: opened,
	}, usd
}

func TestAssess(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	assess := fee.Assess{
		FeeID: "f1", UserID: "u1", LoanID: "l1", Amount: usd(1000), Reason: "overdue", Note: "first",
		At: opened.In(time.FixedZone("CET", 3600)),
	}
	nothing, debt := assess, assess
	nothing.Amount, debt.Amount = usd(0), usd(-1)
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "assesses in UTC", When: assess, Then: events{assessed}},
		testCase{Name: "id in use", Given: events{assessed}, When: assess, Err: fee.ErrExists},
		testCase{Name: "nothing", When: nothing, Err: money.ErrNotPositive},
		testCase{Name: "less than nothing", When: debt, Err: money.ErrNotPositive},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
		testCase{Name: "pointer to a command", When: &assess, Err: domain.ErrUnknownCommand},
	)
}

func TestWaive(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	waived := func(id string, minor int64) fee.Waived {
		return fee.Waived{ReductionID: id, Amount: usd(minor), Reason: "goodwill", Note: "n"}
	}
	waive := func(id string, amount money.Amount) fee.Waive {
		return fee.Waive{ReductionID: id, Amount: amount, Reason: "goodwill", Note: "n", At: later}
	}
	all := money.Amount{}
	paid := fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(1000)}
	part := fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(400)}
	yen := money.New(100, currency(t, "JPY"))
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all", Given: events{assessed}, When: waive("r1", all), Then: events{waived("r1", 1000)}},
		testCase{Name: "part", Given: events{assessed}, When: waive("r1", usd(1)), Then: events{waived("r1", 1)}},
		testCase{Name: "all the rest", Given: events{assessed, part}, When: waive("r1", all), Then: events{waived("r1", 600)}},
		testCase{Name: "exactly the rest", Given: events{assessed, part}, When: waive("r1", usd(600)), Then: events{waived("r1", 600)}},
		testCase{Name: "another part", Given: events{assessed, waived("r1", 1)}, When: waive("r2", usd(1)), Then: events{waived("r2", 1)}},
		testCase{Name: "same reduction", Given: events{assessed, waived("r1", 1)}, When: waive("r1", usd(1))},
		testCase{Name: "all is waived", Given: events{assessed, waived("r1", 1000)}, When: waive("r2", all)},
		testCase{Name: "part of waived", Given: events{assessed, waived("r1", 1000)}, When: waive("r2", usd(1)), Err: fee.ErrAlreadySettled},
		testCase{Name: "paid", Given: events{assessed, paid}, When: waive("r1", all), Err: fee.ErrAlreadySettled},
		testCase{Name: "paid and waived", Given: events{assessed, part, waived("r1", 600)}, When: waive("r2", all), Err: fee.ErrAlreadySettled},
		testCase{Name: "too much", Given: events{assessed, part}, When: waive("r1", usd(601)), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "nothing", Given: events{assessed}, When: waive("r1", usd(0)), Err: money.ErrNotPositive},
		testCase{Name: "other currency", Given: events{assessed}, When: waive("r1", yen), Err: money.ErrCurrencyMismatch},
		testCase{Name: "cancelled", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: waive("r1", all), Err: fee.ErrCancelled},
		testCase{Name: "no fee", When: waive("r1", all), Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: fee.Waive{At: earlier}, Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "at the same moment", Given: events{assessed}, When: fee.Waive{ReductionID: "r1", Reason: "goodwill", Note: "n", At: opened}, Then: events{waived("r1", 1000)}},
	)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	cancel := fee.Cancel{Cause: fee.CauseDuplicate, Note: "n", At: later}
	hide := fee.Cancel{Cause: fee.CauseError, Hide: true, At: later}
	cancelled := fee.Cancelled{Amount: usd(1000), Cause: fee.CauseDuplicate, Note: "n"}
	waived := events{assessed, fee.Waived{ReductionID: "r2", Amount: usd(300)}, fee.Waived{ReductionID: "r1", Amount: usd(700)}}
	paid := fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(1)}
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "cancels", Given: events{assessed}, When: cancel, Then: events{cancelled}},
		testCase{Name: "releases reductions first", Given: waived, When: cancel, Then: events{
			fee.ReductionReleased{ReductionID: "r2", Amount: usd(300)},
			fee.ReductionReleased{ReductionID: "r1", Amount: usd(700)},
			cancelled,
		}},
		testCase{Name: "releases what is live only", Given: events{
			assessed,
			fee.Waived{ReductionID: "r1", Amount: usd(300)},
			fee.ReductionReversed{ReductionID: "r1", Amount: usd(300)},
			fee.PaymentReserved{PaymentID: "p1", AllocationID: "a1", Amount: usd(200)},
		}, When: cancel, Then: events{
			fee.ReservationReleased{PaymentID: "p1", AllocationID: "a1", Amount: usd(200), Cause: fee.ReleaseCanceled}, cancelled,
		}},
		testCase{Name: "is cancelled", Given: events{assessed, cancelled}, When: cancel},
		testCase{Name: "hides", Given: events{assessed}, When: hide, Then: events{fee.Cancelled{Amount: usd(1000), Cause: fee.CauseError, Hidden: true}}},
		testCase{Name: "hides what is cancelled", Given: events{assessed, cancelled}, When: hide, Then: events{fee.Cancelled{Amount: usd(0), Cause: fee.CauseError, Hidden: true}}},
		testCase{Name: "is hidden", Given: events{assessed, fee.Cancelled{Amount: usd(1000), Hidden: true}}, When: hide, Err: fee.ErrNotFound},
		testCase{Name: "money is on it", Given: events{assessed, paid}, When: cancel, Err: fee.ErrMoneyApplied},
		testCase{Name: "no cause", Given: events{assessed}, When: fee.Cancel{At: later}, Err: fee.ErrUnknownCause},
		testCase{Name: "no fee", When: cancel, Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: fee.Cancel{Cause: fee.CauseError, At: earlier}, Err: domain.ErrBeforeFirstEvent},
	)
}

func TestApplyPayment(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	apply := func(id string, amount money.Amount) fee.ApplyPayment {
		return fee.ApplyPayment{PaymentID: "p1", AllocationID: id, Amount: amount, At: later}
	}
	applied := func(id string, minor int64) fee.PaymentApplied {
		return fee.PaymentApplied{PaymentID: "p1", AllocationID: id, Amount: usd(minor)}
	}
	yen := money.New(100, currency(t, "JPY"))
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all", Given: events{assessed}, When: apply("a1", usd(1000)), Then: events{applied("a1", 1000)}},
		testCase{Name: "part", Given: events{assessed}, When: apply("a1", usd(1)), Then: events{applied("a1", 1)}},
		testCase{Name: "the rest", Given: events{assessed, applied("a1", 1)}, When: apply("a2", usd(999)), Then: events{applied("a2", 999)}},
		testCase{Name: "same allocation", Given: events{assessed, applied("a1", 1)}, When: apply("a1", usd(1))},
		testCase{Name: "too much", Given: events{assessed, applied("a1", 1)}, When: apply("a2", usd(1000)), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "paid", Given: events{assessed, applied("a1", 1000)}, When: apply("a2", usd(1)), Err: fee.ErrAlreadySettled},
		testCase{Name: "waived", Given: events{assessed, fee.Waived{ReductionID: "r1", Amount: usd(1000)}}, When: apply("a1", usd(1)), Err: fee.ErrAlreadySettled},
		testCase{Name: "cancelled", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: apply("a1", usd(1)), Err: fee.ErrCancelled},
		testCase{Name: "nothing", Given: events{assessed}, When: apply("a1", usd(0)), Err: money.ErrNotPositive},
		testCase{Name: "other currency", Given: events{assessed}, When: apply("a1", yen), Err: money.ErrCurrencyMismatch},
		testCase{Name: "no fee", When: apply("a1", usd(1)), Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: fee.ApplyPayment{Amount: usd(1), At: earlier}, Err: domain.ErrBeforeFirstEvent},
	)
}

func TestAnnotate(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	cancelled := fee.Cancelled{Amount: usd(1000)}
	second := fee.Annotate{Note: "second", At: later}
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "replaces", Given: events{assessed}, When: second, Then: events{fee.Annotated{Note: "second"}}},
		testCase{Name: "removes", Given: events{assessed}, When: fee.Annotate{At: later}, Then: events{fee.Annotated{}}},
		testCase{Name: "same note", Given: events{assessed}, When: fee.Annotate{Note: "first", At: later}},
		testCase{Name: "replaced before", Given: events{assessed, fee.Annotated{Note: "second"}}, When: second},
		testCase{Name: "same as a waiver said", Given: events{assessed, fee.Waived{Amount: usd(1), Note: "second"}}, When: second},
		testCase{Name: "same as the cancellation said", Given: events{assessed, fee.Cancelled{Amount: usd(1000), Note: "second"}}, When: second},
		testCase{Name: "a waiver without a note keeps it", Given: events{assessed, fee.Waived{Amount: usd(1)}}, When: fee.Annotate{Note: "first", At: later}},
		testCase{Name: "cancelled", Given: events{assessed, cancelled}, When: second, Then: events{fee.Annotated{Note: "second"}}},
		testCase{Name: "no fee", When: second, Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: fee.Annotate{At: earlier}, Err: domain.ErrBeforeFirstEvent},
	)
}

func TestStatusIsDerivedFromSums(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	paid := func(minor int64) fee.Event { return fee.PaymentApplied{AllocationID: "a", Amount: usd(minor)} }
	waived := func(minor int64) fee.Event { return fee.Waived{ReductionID: "r", Amount: usd(minor)} }
	adjusted := func(d fee.Direction, minor int64) fee.Event {
		return fee.Adjusted{AdjustmentID: "j", Direction: d, Amount: usd(minor)}
	}
	reserved := fee.PaymentReserved{AllocationID: "o", Amount: usd(1)}
	released := fee.ReductionReleased{ReductionID: "r", Amount: usd(1000)}
	for name, c := range map[string]struct {
		events     events
		owed       int64
		status     fee.Status
		settlement fee.Settlement
	}{
		"assessed":         {events{assessed}, 1000, fee.StatusUnpaid, fee.SettlementOpen},
		"part paid":        {events{assessed, paid(999)}, 1, fee.StatusUnpaid, fee.SettlementOpen},
		"part waived":      {events{assessed, waived(1)}, 999, fee.StatusUnpaid, fee.SettlementOpen},
		"paid":             {events{assessed, paid(1000)}, 0, fee.StatusPaid, fee.SettlementSettled},
		"waived":           {events{assessed, waived(1000)}, 0, fee.StatusWaived, fee.SettlementSettled},
		"paid then waived": {events{assessed, paid(1), waived(999)}, 0, fee.StatusPaid, fee.SettlementSettled},
		"waived then paid": {events{assessed, waived(999), paid(1)}, 0, fee.StatusPaid, fee.SettlementSettled},
		"written off":      {events{assessed, fee.WrittenOff{ReductionID: "r", Amount: usd(1000)}}, 0, fee.StatusWaived, fee.SettlementSettled},
		"credited":         {events{assessed, fee.CreditApplied{AllocationID: "c", Amount: usd(1000)}}, 0, fee.StatusPaid, fee.SettlementSettled},
		"voided":           {events{assessed, paid(1000), fee.PaymentUnapplied{AllocationID: "a", Amount: usd(1000)}}, 1000, fee.StatusUnpaid, fee.SettlementOpen},
		"reversed":         {events{assessed, waived(1000), fee.ReductionReversed{ReductionID: "r", Amount: usd(1000)}}, 1000, fee.StatusUnpaid, fee.SettlementOpen},
		"less":             {events{assessed, adjusted(fee.DirectionDecrease, 999)}, 1, fee.StatusUnpaid, fee.SettlementOpen},
		"nothing left":     {events{assessed, adjusted(fee.DirectionDecrease, 1000)}, 0, fee.StatusCanceled, fee.SettlementSettled},
		"more":             {events{assessed, paid(1000), adjusted(fee.DirectionIncrease, 1)}, 1, fee.StatusUnpaid, fee.SettlementOpen},
		"in progress":      {events{assessed, reserved}, 1000, fee.StatusPaymentInProgress, fee.SettlementOpen},
		"paid meanwhile":   {events{assessed, reserved, paid(1000)}, 0, fee.StatusPaid, fee.SettlementSettled},
		"payment failed":   {events{assessed, reserved, fee.ReservationReleased{AllocationID: "o", Amount: usd(1)}}, 1000, fee.StatusUnpaid, fee.SettlementOpen},
		"released":         {events{assessed, waived(1000), released}, 1000, fee.StatusUnpaid, fee.SettlementOpen},
		"cancelled": {
			events{assessed, waived(1000), released, fee.Cancelled{Amount: usd(1000)}},
			0, fee.StatusCanceled, fee.SettlementCancelled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fee.Decider.Fold(fee.Decider.Initial(), c.events...)
			require.Equal(t, usd(c.owed), s.Outstanding())
			require.Equal(t, c.status, s.Status())
			require.Equal(t, c.settlement, s.Settlement())
		})
	}
}

func TestEvolveLeavesOlderStatesAlone(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	for name, event := range map[string]func(id string) fee.Event{
		"reductions":  func(id string) fee.Event { return fee.Waived{ReductionID: id, Amount: usd(1)} },
		"allocations": func(id string) fee.Event { return fee.PaymentApplied{AllocationID: id, Amount: usd(1)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fold := func(ids ...string) fee.State {
				s := fee.Decider.Evolve(fee.Decider.Initial(), assessed)
				for _, id := range ids {
					s = fee.Decider.Evolve(s, event(id))
				}
				return s
			}
			base := fold("1", "2", "3") // an append may share memory from the third on
			left := fee.Decider.Evolve(base, event("left"))
			right := fee.Decider.Evolve(base, event("right"))
			require.Equal(t, fold("1", "2", "3", "left"), left)
			require.Equal(t, fold("1", "2", "3", "right"), right)
			require.Equal(t, fold("1", "2", "3"), base)
		})
	}
}
