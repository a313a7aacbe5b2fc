package fee_test

import (
	"testing"

	"payledger/domain/decidertest"
	"payledger/domain/fee"
	"payledger/domain/money"
)

// A payment that names a fee gets at what was written off, behind what is owed; taken off, it goes the other way round.
func TestRecoveries(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	written := func(id string, minor int64) fee.Event { return fee.WrittenOff{ReductionID: id, Amount: usd(minor)} }
	recovered := func(id string, minor int64) fee.Event {
		return fee.WriteOffRecovered{ReductionID: id, PaymentID: "p1", AllocationID: "a1", Amount: usd(minor)}
	}
	again := func(id string, minor int64) fee.Event {
		return fee.RecoveryReversed{ReductionID: id, PaymentID: "p1", AllocationID: "a1", Amount: usd(minor)}
	}
	applied := func(minor int64) fee.Event {
		return fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(minor)}
	}
	unapplied := func(minor int64, cause fee.UnapplyCause) fee.Event {
		return fee.PaymentUnapplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(minor), Cause: cause}
	}
	apply := func(minor int64) fee.ApplyPayment {
		return fee.ApplyPayment{PaymentID: "p1", AllocationID: "a1", Amount: usd(minor), At: later}
	}
	unapply := func(minor int64) fee.UnapplyPayment {
		return fee.UnapplyPayment{AllocationID: "a1", Amount: usd(minor), Cause: fee.UnapplyVoid, At: later}
	}
	reverse := func(id string) fee.ReverseReduction { return fee.ReverseReduction{ReductionID: id, At: later} }
	reversed := func(id string, minor int64) fee.Event {
		return fee.ReductionReversed{ReductionID: id, Amount: usd(minor)}
	}
	lower := func(minor int64) fee.Adjust {
		return fee.Adjust{AdjustmentID: "j1", Direction: fee.DirectionDecrease, Amount: usd(minor), At: later}
	}
	lowered := func(minor int64) fee.Event {
		return fee.Adjusted{AdjustmentID: "j1", Direction: fee.DirectionDecrease, Amount: usd(minor)}
	}
	yen := apply(1)
	yen.Amount = money.New(1, currency(t, "JPY"))
	given := func(more ...fee.Event) events { return append(events{assessed}, more...) }
	waived := fee.Waived{ReductionID: "v1", Amount: usd(400)}
	// 6.00 of 10.00 written off; the payment settled the 4.00 and recovered 3.00.
	mixed := given(written("w1", 600), recovered("w1", 300), applied(700))
	// 4.00 and 6.00 of 10.00 written off; 7.00 came.
	two := given(written("w1", 400), written("w2", 600), recovered("w1", 400), recovered("w2", 300), applied(700))
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all of it", Given: given(written("w1", 1000)), When: apply(1000), Then: events{recovered("w1", 1000), applied(1000)}},
		testCase{Name: "part of it", Given: given(written("w1", 1000)), When: apply(1), Then: events{recovered("w1", 1), applied(1)}},
		testCase{Name: "what is owed first", Given: given(written("w1", 600)), When: apply(400), Then: events{applied(400)}},
		testCase{Name: "then what was written off", Given: given(written("w1", 600)), When: apply(700), Then: mixed[2:]},
		testCase{Name: "the oldest write-off first", Given: two[:3], When: apply(700), Then: two[3:]},
		testCase{Name: "what was recovered before is taken off", Given: given(written("w1", 1000), fee.WriteOffRecovered{ReductionID: "w1", PaymentID: "p0", AllocationID: "a0", Amount: usd(900)},
			fee.PaymentApplied{PaymentID: "p0", AllocationID: "a0", Amount: usd(900)}), When: apply(101), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "the same payment", Given: mixed, When: apply(700)},
		testCase{Name: "no waiver", Given: given(waived, written("w1", 600)), When: apply(601), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "a waiver before it", Given: given(waived, written("w1", 600)), When: apply(600), Then: events{recovered("w1", 600), applied(600)}},
		testCase{Name: "a waiver only", Given: given(fee.Waived{ReductionID: "v1", Amount: usd(1000)}), When: apply(1), Err: fee.ErrAlreadySettled},
		testCase{Name: "more than was written off", Given: given(written("w1", 1000)), When: apply(1001), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "beyond what others hold", Given: given(written("w1", 600), fee.PaymentReserved{PaymentID: "p2", AllocationID: "a2", Amount: usd(400)}), When: apply(401), Err: fee.ErrReserved},
		testCase{Name: "nothing", Given: given(written("w1", 1000)), When: apply(0), Err: fee.ErrAlreadySettled},
		testCase{Name: "other currency", Given: given(written("w1", 600)), When: yen, Err: money.ErrCurrencyMismatch},
		testCase{
			Name: "cancelled", Given: given(written("w1", 1000), fee.ReductionReleased{ReductionID: "w1", Amount: usd(1000)}, fee.Cancelled{Amount: usd(1000)}),
			When: apply(1), Err: fee.ErrCancelled,
		},
		testCase{Name: "no credit", Given: given(written("w1", 1000)), When: fee.ApplyCredit{CreditID: "c1", AllocationID: "a1", Amount: usd(1), At: later}, Err: fee.ErrAlreadySettled},
		testCase{
			Name: "none on its way", Given: given(written("w1", 1000)), When: fee.Reserve{PaymentID: "p1", AllocationID: "a1", Amount: usd(1), At: later},
			Err: fee.ErrAlreadySettled,
		},

		testCase{Name: "voided", Given: mixed, When: unapply(700), Then: events{unapplied(700, fee.UnapplyVoid), again("w1", 300)}},
		testCase{Name: "part taken off", Given: mixed, When: unapply(100), Then: events{unapplied(100, fee.UnapplyVoid), again("w1", 100)}},
		testCase{Name: "more taken off than was recovered", Given: mixed, When: unapply(500), Then: events{unapplied(500, fee.UnapplyVoid), again("w1", 300)}},
		testCase{Name: "the newest first", Given: two, When: unapply(500), Then: events{unapplied(500, fee.UnapplyVoid), again("w2", 300), again("w1", 200)}},
		testCase{
			Name: "the rest taken off", Given: append(mixed[:4:4], unapplied(100, fee.UnapplyVoid), again("w1", 100)), When: unapply(600),
			Then: events{unapplied(600, fee.UnapplyVoid), again("w1", 200)},
		},
		testCase{Name: "written off again, paid again", Given: append(mixed[:4:4], unapplied(700, fee.UnapplyVoid), again("w1", 300)), When: fee.ApplyPayment{
			PaymentID: "p1", AllocationID: "a2", Amount: usd(1000), At: later,
		}, Then: events{
			fee.WriteOffRecovered{ReductionID: "w1", PaymentID: "p1", AllocationID: "a2", Amount: usd(600)},
			fee.PaymentApplied{PaymentID: "p1", AllocationID: "a2", Amount: usd(1000)},
		}},

		testCase{Name: "the write-off was wrong: its rest is owed", Given: mixed, When: reverse("w1"), Then: events{reversed("w1", 300)}},
		testCase{
			Name: "the write-off was wrong: all of it came", Given: given(written("w1", 1000), recovered("w1", 1000), applied(1000)), When: reverse("w1"),
			Err: fee.ErrRecovered,
		},
		testCase{
			Name: "what hadn't come was given up by a lower charge", Given: append(mixed[:4:4], fee.ReductionReleased{ReductionID: "w1", Amount: usd(300)}, lowered(300)), When: reverse("w1"),
			Err: fee.ErrRecovered,
		},
		testCase{Name: "its rest is owed already", Given: append(mixed[:4:4], reversed("w1", 300)), When: reverse("w1")},
		testCase{Name: "only another came", Given: given(written("w1", 400), written("w2", 300), fee.ReductionReleased{ReductionID: "w2", Amount: usd(300)}, lowered(300),
			recovered("w1", 400), applied(700)), When: reverse("w2")},
		testCase{
			Name: "what came was taken off by a lower charge", Given: given(written("w1", 1000), recovered("w1", 1000), applied(1000), unapplied(1000, fee.UnapplyAdjustment), again("w1", 1000),
				fee.ReductionReleased{ReductionID: "w1", Amount: usd(1000)}, lowered(1000)), When: reverse("w1"),
		},
		testCase{
			Name: "taken back, voided, paid again: all of it came", Given: append(mixed[:4:4], reversed("w1", 300), unapplied(700, fee.UnapplyVoid), again("w1", 300),
				recovered("w1", 300), applied(1000)), When: reverse("w1"), Err: fee.ErrRecovered,
		},
		testCase{
			Name: "voided behind that, what it recovered is written off again", Given: append(mixed[:4:4], reversed("w1", 300)), When: unapply(700),
			Then: events{unapplied(700, fee.UnapplyVoid), again("w1", 300)},
		},
		testCase{
			Name: "and can be reversed as well", Given: append(mixed[:4:4], reversed("w1", 300), unapplied(700, fee.UnapplyVoid), again("w1", 300)), When: reverse("w1"),
			Then: events{reversed("w1", 300)},
		},

		testCase{Name: "lowered by what is still written off", Given: mixed, When: lower(300), Then: events{fee.ReductionReleased{ReductionID: "w1", Amount: usd(300)}, lowered(300)}},
		testCase{
			Name: "lowered below what was recovered", Given: mixed, When: lower(500),
			Then: events{
				fee.ReductionReleased{ReductionID: "w1", Amount: usd(300)},
				unapplied(200, fee.UnapplyAdjustment), again("w1", 200),
				fee.ReductionReleased{ReductionID: "w1", Amount: usd(200)},
				lowered(500),
			},
		},
		testCase{
			Name: "lowered to nothing", Given: mixed, When: lower(1000),
			Then: events{
				fee.ReductionReleased{ReductionID: "w1", Amount: usd(300)},
				unapplied(700, fee.UnapplyAdjustment), again("w1", 300),
				fee.ReductionReleased{ReductionID: "w1", Amount: usd(300)},
				lowered(1000),
			},
		},
		testCase{Name: "money is on it", Given: mixed, When: fee.Cancel{Cause: fee.CauseError, At: later}, Err: fee.ErrMoneyApplied},
		testCase{
			Name: "cancelled once it is voided", Given: append(mixed[:4:4], unapplied(700, fee.UnapplyVoid), again("w1", 300)), When: fee.Cancel{Cause: fee.CauseError, At: later},
			Then: events{fee.ReductionReleased{ReductionID: "w1", Amount: usd(600)}, fee.Cancelled{Amount: usd(1000), Cause: fee.CauseError}},
		},
	)
}
