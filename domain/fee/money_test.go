package fee_test

import (
	"slices"
	"testing"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/fee"
	"payledger/domain/money"
)

func TestReservations(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	reserve := func(id string, minor int64) fee.Reserve {
		return fee.Reserve{PaymentID: "p1", AllocationID: id, Amount: usd(minor), At: later}
	}
	reserved := func(id string, minor int64) fee.Event {
		return fee.PaymentReserved{PaymentID: "p1", AllocationID: id, Amount: usd(minor)}
	}
	released := func(cause fee.ReleaseCause) fee.Event {
		return fee.ReservationReleased{PaymentID: "p1", AllocationID: "a1", Amount: usd(700), Cause: cause}
	}
	release := fee.Release{AllocationID: "a1", Cause: fee.ReleaseFailed, At: later}
	held := events{assessed, reserved("a1", 700)}
	early := release
	early.At = earlier
	apply := func(minor int64) fee.ApplyPayment {
		return fee.ApplyPayment{PaymentID: "p2", AllocationID: "a2", Amount: usd(minor), At: later}
	}
	capture := func(minor int64) fee.ApplyPayment {
		c := apply(minor)
		c.Captured = true
		return c
	}
	waive := func(amount money.Amount) fee.Waive { return fee.Waive{ReductionID: "r1", Amount: amount, At: later} }
	shrunk := slices.Concat(held, events{fee.Adjusted{AdjustmentID: "j1", Direction: fee.DirectionDecrease, Amount: usd(900)}})
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "part", Given: events{assessed}, When: reserve("a1", 700), Then: events{reserved("a1", 700)}},
		testCase{Name: "the rest", Given: held, When: reserve("a2", 300), Then: events{reserved("a2", 300)}},
		testCase{Name: "same allocation", Given: held, When: reserve("a1", 700)},
		testCase{Name: "what is reserved", Given: held, When: reserve("a2", 301), Err: fee.ErrReserved},
		testCase{Name: "more than is owed", Given: events{assessed}, When: reserve("a1", 1001), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "nothing", Given: events{assessed}, When: reserve("a1", 0), Err: money.ErrNotPositive},
		testCase{Name: "no fee", When: reserve("a1", 1), Err: fee.ErrNotFound},
		testCase{Name: "pay the rest", Given: held, When: apply(300), Then: events{fee.PaymentApplied{PaymentID: "p2", AllocationID: "a2", Amount: usd(300)}}},
		testCase{Name: "pay what is reserved", Given: held, When: apply(301), Err: fee.ErrReserved},
		testCase{Name: "waive what is free", Given: held, When: waive(money.Amount{}), Then: events{fee.Waived{ReductionID: "r1", Amount: usd(300)}}},
		testCase{Name: "waive what is reserved", Given: held, When: waive(usd(301)), Err: fee.ErrReserved},
		testCase{Name: "all is reserved", Given: append(held[:2:2], reserved("a2", 300)), When: waive(money.Amount{}), Err: fee.ErrReserved},
		testCase{Name: "more is reserved than owed", Given: shrunk, When: apply(1), Err: fee.ErrReserved},
		testCase{Name: "what was held before goes first", Given: shrunk, When: capture(100), Then: events{fee.PaymentApplied{PaymentID: "p2", AllocationID: "a2", Amount: usd(100)}}},
		testCase{Name: "but for no more than is owed", Given: shrunk, When: capture(101), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "releases", Given: held, When: release, Then: events{released(fee.ReleaseFailed)}},
		testCase{Name: "is released", Given: append(held[:2:2], released(fee.ReleaseCaptured)), When: release},
		testCase{Name: "free again", Given: append(held[:2:2], released(fee.ReleaseFailed)), When: apply(1000), Then: events{fee.PaymentApplied{PaymentID: "p2", AllocationID: "a2", Amount: usd(1000)}}},
		testCase{Name: "none to release", Given: events{assessed}, When: release},
		testCase{Name: "releases too early", Given: held, When: early, Err: domain.ErrBeforeFirstEvent},
	)
}

func TestUnapplyPayment(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	unapply := func(id string, amount money.Amount) fee.UnapplyPayment {
		return fee.UnapplyPayment{AllocationID: id, Amount: amount, Cause: fee.UnapplyVoid, At: later}
	}
	unapplied := func(minor int64) fee.Event {
		return fee.PaymentUnapplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(minor), Cause: fee.UnapplyVoid}
	}
	paid := events{assessed, fee.PaymentApplied{PaymentID: "p1", AllocationID: "a1", Amount: usd(700)}, fee.CreditApplied{CreditID: "c1", AllocationID: "k1", Amount: usd(300)}}
	early := unapply("a1", usd(1))
	early.At = earlier
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all", Given: paid, When: unapply("a1", usd(700)), Then: events{unapplied(700)}},
		testCase{Name: "part", Given: paid, When: unapply("a1", usd(1)), Then: events{unapplied(1)}},
		testCase{Name: "the rest", Given: append(paid[:3:3], unapplied(1)), When: unapply("a1", usd(699)), Then: events{unapplied(699)}},
		testCase{Name: "more than is left", Given: append(paid[:3:3], unapplied(1)), When: unapply("a1", usd(700)), Err: fee.ErrAllocationNotFound},
		testCase{Name: "what isn't there", Given: paid, When: unapply("a2", usd(1)), Err: fee.ErrAllocationNotFound},
		testCase{Name: "a credit", Given: paid, When: unapply("k1", usd(1)), Err: fee.ErrAllocationNotFound},
		testCase{Name: "nothing", Given: paid, When: unapply("a1", usd(0)), Err: money.ErrNotPositive},
		testCase{Name: "other currency", Given: paid, When: unapply("a1", money.New(1, currency(t, "JPY"))), Err: money.ErrCurrencyMismatch},
		testCase{Name: "too early", Given: paid, When: early, Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "no fee", When: unapply("a1", usd(1)), Err: fee.ErrNotFound},
	)
}

func TestApplyCredit(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	apply := func(minor int64) fee.ApplyCredit {
		return fee.ApplyCredit{CreditID: "c1", AllocationID: "k1", Amount: usd(minor), At: later}
	}
	applied := func(minor int64) fee.Event {
		return fee.CreditApplied{CreditID: "c1", AllocationID: "k1", Amount: usd(minor)}
	}
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "all", Given: events{assessed}, When: apply(1000), Then: events{applied(1000)}},
		testCase{Name: "same allocation", Given: events{assessed, applied(1)}, When: apply(1)},
		testCase{Name: "too much", Given: events{assessed}, When: apply(1001), Err: fee.ErrExceedsOutstanding},
		testCase{Name: "cancelled", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: apply(1), Err: fee.ErrCancelled},
		testCase{Name: "no fee", When: apply(1), Err: fee.ErrNotFound},
	)
}

func TestNotes(t *testing.T) {
	t.Parallel()
	assessed, usd := setup(t)
	add := fee.AddNote{NoteID: "n1", Visibility: fee.VisibilityPatron, Note: "text", At: later}
	added := events{assessed, fee.NoteAdded{NoteID: "n1", Visibility: fee.VisibilityPatron, Note: "text"}}
	hidden := slices.Concat(added, events{fee.NoteHidden{NoteID: "n1"}})
	wrong, early := add, add
	wrong.Visibility, early.At = "everybody", earlier
	change := func(id, text string) fee.ChangeNote { return fee.ChangeNote{NoteID: id, Note: text, At: later} }
	hide := fee.HideNote{NoteID: "n1", At: later}
	decidertest.Run(
		t, fee.Decider,
		testCase{Name: "adds", Given: events{assessed}, When: add, Then: added[1:]},
		testCase{Name: "adds to a cancelled fee", Given: events{assessed, fee.Cancelled{Amount: usd(1000)}}, When: add, Then: added[1:]},
		testCase{Name: "id in use", Given: added, When: add, Err: fee.ErrNoteExists},
		testCase{Name: "id of a hidden one", Given: hidden, When: add, Err: fee.ErrNoteExists},
		testCase{Name: "for everybody", Given: events{assessed}, When: wrong, Err: fee.ErrUnknownVisibility},
		testCase{Name: "no fee", When: add, Err: fee.ErrNotFound},
		testCase{Name: "too early", Given: events{assessed}, When: early, Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "changes", Given: added, When: change("n1", "other"), Then: events{fee.NoteChanged{NoteID: "n1", Note: "other"}}},
		testCase{Name: "changes nothing", Given: added, When: change("n1", "text")},
		testCase{Name: "changes what was changed", Given: append(added[:2:2], fee.NoteChanged{NoteID: "n1", Note: "other"}), When: change("n1", "other")},
		testCase{Name: "changes another", Given: added, When: change("n2", "other"), Err: fee.ErrNoteNotFound},
		testCase{Name: "changes a hidden one", Given: hidden, When: change("n1", "other"), Err: fee.ErrNoteNotFound},
		testCase{Name: "hides", Given: added, When: hide, Then: hidden[2:]},
		testCase{Name: "hides again", Given: hidden, When: hide, Err: fee.ErrNoteNotFound},
		testCase{Name: "hides nothing", Given: events{assessed}, When: hide, Err: fee.ErrNoteNotFound},
		testCase{Name: "changes of no fee", When: change("n1", ""), Err: fee.ErrNotFound},
		testCase{Name: "hides of no fee", When: hide, Err: fee.ErrNotFound},
	)
}
