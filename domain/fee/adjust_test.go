package fee_test

import (
	"testing"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/fee"
	"payledger/domain/money"
)

func TestAdjust(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	adjust := func(d fee.Direction, minor int64) fee.Adjust {
		return fee.Adjust{AdjustmentID: "j1", Direction: d, Amount: usd(minor), Reason: "priceCorrection", Note: "n", At: later}
	}
	adjusted := func(d fee.Direction, minor int64) fee.Event {
		return fee.Adjusted{AdjustmentID: "j1", Direction: d, Amount: usd(minor), Reason: "priceCorrection", Note: "n"}
	}
	const up, down = fee.DirectionIncrease, fee.DirectionDecrease
	waived := func(id string, minor int64) fee.Event { return fee.Waived{ReductionID: id, Amount: usd(minor)} }
	written := fee.WrittenOff{ReductionID: "w1", Amount: usd(200)}
	released := func(id string, minor int64) fee.Event {
		return fee.ReductionReleased{ReductionID: id, Amount: usd(minor)}
	}
	paid := func(id string, minor int64) fee.Event {
		return fee.PaymentApplied{PaymentID: "p1", AllocationID: id, Amount: usd(minor)}
	}
	unpaid := func(id string, minor int64) fee.Event {
		return fee.PaymentUnapplied{PaymentID: "p1", AllocationID: id, Amount: usd(minor), Cause: fee.UnapplyAdjustment}
	}
	credited := fee.CreditApplied{CreditID: "c1", AllocationID: "k1", Amount: usd(300)}
	yen := adjust(up, 1)
	yen.Amount = money.New(1, currency(t, "JPY"))
	early, most, sideways := adjust(up, 1), adjust(up, money.MaxMinor), adjust("sideways", 1)
	early.At = earlier
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "more", Given: events{assessed}, When: adjust(up, 1), Then: events{adjusted(up, 1)}},
		testCase{Name: "more of what is paid", Given: events{assessed, paid("a1", 1000)}, When: adjust(up, 1), Then: events{adjusted(up, 1)}},
		testCase{Name: "less of what is owed", Given: events{assessed, paid("a1", 400)}, When: adjust(down, 600), Then: events{adjusted(down, 600)}},
		testCase{Name: "all", Given: events{assessed}, When: adjust(down, 1000), Then: events{adjusted(down, 1000)}},
		testCase{Name: "more again", Given: events{assessed, fee.Adjusted{Direction: down, Amount: usd(1000)}}, When: adjust(up, 1), Then: events{adjusted(up, 1)}},
		testCase{Name: "less than was forgiven", Given: events{assessed, waived("r1", 700)}, When: adjust(down, 400), Then: events{released("r1", 100), adjusted(down, 400)}},
		testCase{
			Name: "the newest reduction first", Given: events{assessed, waived("r1", 700), written}, When: adjust(down, 500),
			Then: events{released("w1", 200), released("r1", 200), adjusted(down, 500)},
		},
		testCase{
			Name: "nothing forgiven is paid out", Given: events{assessed, paid("a1", 300), waived("r1", 700)}, When: adjust(down, 700),
			Then: events{released("r1", 700), adjusted(down, 700)},
		},
		testCase{
			Name: "money beyond that is taken off", Given: events{assessed, paid("a1", 300), waived("r1", 700)}, When: adjust(down, 800),
			Then: events{released("r1", 700), unpaid("a1", 100), adjusted(down, 800)},
		},
		testCase{
			Name: "the newest money first", Given: events{assessed, paid("a1", 500), credited, paid("a2", 100)}, When: adjust(down, 700),
			Then: events{
				unpaid("a2", 100),
				fee.CreditUnapplied{CreditID: "c1", AllocationID: "k1", Amount: usd(300), Cause: fee.UnapplyAdjustment},
				unpaid("a1", 200), adjusted(down, 700),
			},
		},
		testCase{
			Name: "what is off already stays off", Given: events{assessed, waived("r1", 200), fee.ReductionReversed{ReductionID: "r1", Amount: usd(200)}, paid("a1", 900), unpaid("a1", 900)},
			When: adjust(down, 1000), Then: events{adjusted(down, 1000)},
		},
		testCase{Name: "same adjustment", Given: events{assessed, adjusted(up, 1)}, When: adjust(up, 1)},
		testCase{Name: "more than is charged", Given: events{assessed}, When: adjust(down, 1001), Err: fee.ErrExceedsGross},
		testCase{Name: "more than can be charged", Given: events{assessed}, When: most, Err: money.ErrOverflow},
		testCase{Name: "nothing", Given: events{assessed}, When: adjust(up, 0), Err: money.ErrNotPositive},
		testCase{Name: "neither up nor down", Given: events{assessed}, When: sideways, Err: fee.ErrUnknownDirection},
		testCase{Name: "other currency", Given: events{assessed}, When: yen, Err: money.ErrCurrencyMismatch},
		testCase{Name: "cancelled", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: adjust(up, 1), Err: fee.ErrCancelled},
		testCase{Name: "no fee", When: adjust(up, 1), Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: early, Err: domain.ErrBeforeFirstEvent},
	)
}

func TestWriteOff(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	writeOff := func(amount money.Amount) fee.WriteOff {
		return fee.WriteOff{ReductionID: "w1", Amount: amount, Reason: "deceased", Note: "n", At: later}
	}
	written := func(minor int64) fee.Event {
		return fee.WrittenOff{ReductionID: "w1", Amount: usd(minor), Reason: "deceased", Note: "n"}
	}
	part := fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(400)}
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all the rest", Given: events{assessed, part}, When: writeOff(money.Amount{}), Then: events{written(600)}},
		testCase{Name: "part", Given: events{assessed}, When: writeOff(usd(1)), Then: events{written(1)}},
		testCase{Name: "same reduction", Given: events{assessed, written(1)}, When: writeOff(usd(1))},
		testCase{Name: "all is forgiven", Given: events{assessed, fee.Waived{ReductionID: "r1", Amount: usd(1000)}}, When: writeOff(money.Amount{})},
		testCase{Name: "too much", Given: events{assessed, part}, When: writeOff(usd(601)), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "settled", Given: events{assessed, part, fee.Waived{ReductionID: "r1", Amount: usd(600)}}, When: writeOff(usd(1)), Err: fee.ErrAlreadySettled},
		testCase{Name: "cancelled", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: writeOff(usd(1)), Err: fee.ErrCancelled},
		testCase{Name: "no fee", When: writeOff(usd(1)), Err: fee.ErrNotFound},
	)
}

func TestReverseReduction(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	reverse := fee.ReverseReduction{ReductionID: "r1", Reason: "staffError", Note: "n", At: later}
	reversed := func(minor int64) fee.Event {
		return fee.ReductionReversed{ReductionID: "r1", Amount: usd(minor), Reason: "staffError", Note: "n"}
	}
	waived, other := fee.Waived{ReductionID: "r1", Amount: usd(300)}, fee.WrittenOff{ReductionID: "r2", Amount: usd(1)}
	early := reverse
	early.At = earlier
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "a waiver", Given: events{assessed, other, waived}, When: reverse, Then: events{reversed(300)}},
		testCase{Name: "a write-off", Given: events{assessed, fee.WrittenOff{ReductionID: "r1", Amount: usd(2)}}, When: reverse, Then: events{reversed(2)}},
		testCase{Name: "what is left of it", Given: events{assessed, waived, fee.ReductionReleased{ReductionID: "r1", Amount: usd(100)}}, When: reverse, Then: events{reversed(200)}},
		testCase{Name: "again", Given: events{assessed, waived, reversed(300)}, When: reverse},
		testCase{Name: "another", Given: events{assessed, other}, When: reverse, Err: fee.ErrReductionNotFound},
		testCase{Name: "cancelled", Given: events{assessed, waived, fee.ReductionReleased{ReductionID: "r1", Amount: usd(300)}, fee.Cancelled{Amount: usd(1000)}}, When: reverse, Err: fee.ErrCancelled},
		testCase{Name: "no fee", When: reverse, Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed, waived}, When: early, Err: domain.ErrBeforeFirstEvent},
	)
}
