package payment_test

import (
	"slices"
	"testing"

	"payledger/domain/decidertest"
	"payledger/domain/money"
	"payledger/domain/payment"
)

func TestStartedPayment(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	a1, a2 := payment.Allocation{ID: "a1", FeeID: "f1", Amount: usd(300)}, payment.Allocation{ID: "a2", FeeID: "f2", Amount: usd(700)}
	list := []payment.Allocation{a1, a2}
	start := payment.Start{
		PaymentID: "p1", UserID: "u1", Tender: payment.TenderOther, Amount: usd(1000), HandledBy: "s1", Allocations: list, StripePaymentIntentID: "pi", Note: "n",
	}
	started := events{payment.Started{
		PaymentID: "p1", UserID: "u1", Tender: payment.TenderOther, Amount: usd(1000), HandledBy: "s1", Allocations: list, StripePaymentIntentID: "pi", Note: "n",
	}}
	captured := func(creditID string, credit int64, parts ...payment.Allocation) payment.Event {
		return payment.Captured{
			PaymentID: "p1", UserID: "u1", Tender: payment.TenderOther, Amount: usd(1000), HandledBy: "s1", Allocations: append([]payment.Allocation{}, parts...),
			CreditID: creditID, Credit: usd(credit), StripePaymentIntentID: "pi", Note: "c",
		}
	}
	capture := func(creditID string, parts ...payment.Allocation) payment.Capture {
		return payment.Capture{Allocations: parts, CreditID: creditID, Note: "c"}
	}
	less, more, elsewhere, other := a2, a2, a2, a2
	less.Amount, more.Amount, elsewhere.FeeID, other.ID = usd(600), usd(701), "f3", "a3"
	loose, gold, nothing := start, start, start
	loose.Allocations, gold.Tender, nothing.Amount = list[:1], "gold", usd(0)
	fail, cancel := payment.Fail{Reason: "declined", Note: "f"}, payment.Cancel{Reason: "regretted", Note: "k"}
	failed := payment.Failed{PaymentID: "p1", Reason: "declined", Note: "f"}
	cancelled := payment.Cancelled{PaymentID: "p1", Reason: "regretted", Note: "k"}
	over := func(e payment.Event) events { return append(started[:1:1], e) }
	hidden := over(payment.Cancelled{PaymentID: "p1", Hidden: true})
	decidertest.Run(
		t, payment.Decider,
		testCase{Name: "starts", When: start, Then: started},
		testCase{Name: "id in use", Given: started, When: start, Err: payment.ErrExists},
		testCase{Name: "for less than all of it", When: loose, Err: payment.ErrNoTarget},
		testCase{Name: "unknown tender", When: gold, Err: payment.ErrUnknownTender},
		testCase{Name: "nothing", When: nothing, Err: money.ErrNotPositive},
		testCase{Name: "captures", Given: started, When: capture("", list...), Then: events{captured("", 0, list...)}},
		testCase{Name: "captures what the fees take", Given: started, When: capture("c1", less), Then: events{captured("c1", 400, less)}},
		testCase{Name: "captures for no fee", Given: started, When: capture("c1"), Then: events{captured("c1", 1000)}},
		testCase{Name: "is captured", Given: over(captured("", 0, list...)), When: capture("", list...)},
		testCase{Name: "captures more for a fee", Given: started, When: capture("c1", more), Err: payment.ErrAllocationNotFound},
		testCase{Name: "captures for another fee", Given: started, When: capture("c1", elsewhere), Err: payment.ErrAllocationNotFound},
		testCase{Name: "captures another allocation", Given: started, When: capture("c1", other), Err: payment.ErrAllocationNotFound},
		testCase{Name: "captures an allocation twice", Given: started, When: capture("c1", a1, a1), Err: payment.ErrDuplicateAllocation},
		testCase{Name: "captures without a credit", Given: started, When: capture("", a1), Err: payment.ErrNoTarget},
		testCase{Name: "captures what failed", Given: over(failed), When: capture("", list...), Err: payment.ErrNotPending},
		testCase{Name: "captures what was called off", Given: over(cancelled), When: capture("", list...), Err: payment.ErrNotPending},
		testCase{Name: "captures nothing at all", When: capture("", list...), Err: payment.ErrNotFound},
		testCase{Name: "fails", Given: started, When: fail, Then: events{failed}},
		testCase{Name: "has failed", Given: over(failed), When: fail},
		testCase{Name: "fails once captured", Given: over(captured("", 0, list...)), When: fail, Err: payment.ErrNotPending},
		testCase{Name: "fails once called off", Given: over(cancelled), When: fail, Err: payment.ErrNotPending},
		testCase{Name: "nothing fails", When: fail, Err: payment.ErrNotFound},
		testCase{Name: "is called off", Given: started, When: cancel, Then: events{cancelled}},
		testCase{Name: "is off", Given: over(cancelled), When: cancel},
		testCase{Name: "called off and hidden", Given: started, When: payment.Cancel{Hide: true}, Then: hidden[1:]},
		testCase{Name: "is hidden", Given: hidden, When: payment.Cancel{Hide: true}, Err: payment.ErrNotFound},
		testCase{Name: "called off once failed", Given: over(failed), When: cancel, Err: payment.ErrNotPending},
		testCase{Name: "void", Given: started, When: payment.Void{Outcome: payment.OutcomeCanceled}, Err: payment.ErrNotCaptured},
		testCase{Name: "reallocate", Given: started, When: payment.Reallocate{}, Err: payment.ErrNotCaptured},
	)
}

func TestVoid(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	captured := events{payment.Captured{PaymentID: "p1", Amount: usd(1000), CreditID: "c1", Credit: usd(1000)}}
	void := payment.Void{Reason: "keyingError", Note: "n", Outcome: payment.OutcomeFailed}
	hide, unknown := void, void
	hide.Hide, unknown.Outcome = true, "lost"
	voided := payment.Voided{Amount: usd(1000), Reason: "keyingError", Outcome: payment.OutcomeFailed, Note: "n"}
	hidden := voided
	hidden.Hidden = true
	decidertest.Run(
		t, payment.Decider,
		testCase{Name: "voids", Given: captured, When: void, Then: events{voided}},
		testCase{Name: "is void", Given: append(captured[:1:1], voided), When: void},
		testCase{Name: "hides", Given: captured, When: hide, Then: events{hidden}},
		testCase{Name: "is hidden", Given: append(captured[:1:1], hidden), When: hide, Err: payment.ErrNotFound},
		testCase{Name: "unknown outcome", Given: captured, When: unknown, Err: payment.ErrUnknownOutcome},
		testCase{Name: "failed before", Given: events{payment.Started{PaymentID: "p1"}, payment.Failed{}}, When: void, Err: payment.ErrNotCaptured},
		testCase{Name: "no payment", When: void, Err: payment.ErrNotFound},
	)
}

func TestReallocate(t *testing.T) {
	t.Parallel()
	usd, jpy := amounts(t, "USD"), amounts(t, "JPY")
	captured := events{payment.Captured{
		PaymentID: "p1", Amount: usd(1000), CreditID: "c1", Credit: usd(200),
		Allocations: []payment.Allocation{{ID: "a1", FeeID: "f1", Amount: usd(300)}, {ID: "a2", FeeID: "f2", Amount: usd(500)}},
	}}
	take := func(id string, amount money.Amount) payment.Taken {
		return payment.Taken{AllocationID: id, Amount: amount}
	}
	taken := func(id, feeID string, minor int64) payment.Taken {
		return payment.Taken{AllocationID: id, FeeID: feeID, Amount: usd(minor)}
	}
	give := func(id string, minor int64) payment.Allocation {
		return payment.Allocation{ID: id, FeeID: "f3", Amount: usd(minor)}
	}
	move := func(creditID string, from []payment.Taken, to ...payment.Allocation) payment.Reallocate {
		return payment.Reallocate{Taken: from, Given: to, CreditID: creditID, Cause: payment.CauseReallocation, Reason: "wrongFee", Note: "n"}
	}
	moved := func(creditID string, credit int64, from []payment.Taken, to ...payment.Allocation) payment.Event {
		return payment.Reallocated{
			Taken: from, Given: append([]payment.Allocation{}, to...), CreditID: creditID, Credit: usd(credit),
			Cause: payment.CauseReallocation, Reason: "wrongFee", Note: "n",
		}
	}
	type from = []payment.Taken
	after := slices.Concat(captured, events{moved("c2", 100, from{taken("a1", "f1", 300)}, give("a3", 200))})
	decidertest.Run(
		t, payment.Decider,
		testCase{Name: "to another fee", Given: captured, When: move("", from{take("a1", usd(300))}, give("a3", 300)), Then: events{moved("", 0, from{taken("a1", "f1", 300)}, give("a3", 300))}},
		testCase{Name: "part, of two", Given: captured, When: move("c2", from{take("a1", usd(1)), take("a2", usd(2))}, give("a3", 3)), Then: events{moved("", 0, from{taken("a1", "f1", 1), taken("a2", "f2", 2)}, give("a3", 3))}},
		testCase{Name: "to a credit", Given: captured, When: move("c2", from{take("a2", usd(500))}), Then: events{moved("c2", 500, from{taken("a2", "f2", 500)})}},
		testCase{Name: "what was given", Given: after, When: move("", from{take("a3", usd(200))}, give("a4", 200)), Then: events{moved("", 0, from{taken("a3", "f3", 200)}, give("a4", 200))}},
		testCase{Name: "same allocation", Given: after, When: move("c9", from{take("a2", usd(200))}, give("a3", 200))},
		testCase{Name: "same credit", Given: after, When: move("c2", from{take("a2", usd(200))})},
		testCase{Name: "what is gone", Given: after, When: move("c3", from{take("a1", usd(1))}), Err: payment.ErrOverAllocated},
		testCase{Name: "more than it has", Given: captured, When: move("c2", from{take("a1", usd(301))}), Err: payment.ErrOverAllocated},
		testCase{Name: "more than was taken", Given: captured, When: move("c2", from{take("a1", usd(1))}, give("a3", 2)), Err: payment.ErrOverAllocated},
		testCase{Name: "no such allocation", Given: captured, When: move("c2", from{take("a9", usd(1))}), Err: payment.ErrAllocationNotFound},
		testCase{Name: "one twice", Given: captured, When: move("c2", from{take("a1", usd(1)), take("a1", usd(1))}), Err: payment.ErrDuplicateAllocation},
		testCase{Name: "to one fee twice", Given: captured, When: move("c2", from{take("a1", usd(2))}, give("a3", 1), give("a4", 1)), Err: payment.ErrDuplicateFee},
		testCase{Name: "nothing of it", Given: captured, When: move("c2", from{take("a1", usd(0))}), Err: money.ErrNotPositive},
		testCase{Name: "nothing", Given: captured, When: move("c2", nil), Err: money.ErrNotPositive},
		testCase{Name: "other currency", Given: captured, When: move("c2", from{take("a1", jpy(1))}), Err: money.ErrCurrencyMismatch},
		testCase{Name: "to nowhere", Given: captured, When: move("", from{take("a1", usd(1))}), Err: payment.ErrNoTarget},
		testCase{Name: "void", Given: append(captured[:1:1], payment.Voided{Amount: usd(1000)}), When: move("c2", from{take("a1", usd(1))}), Err: payment.ErrNotCaptured},
		testCase{Name: "no payment", When: move("c2", from{take("a1", usd(1))}), Err: payment.ErrNotFound},
	)
}

func TestAnnotate(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	list := []payment.Allocation{{ID: "a1", FeeID: "f1", Amount: usd(1)}}
	started := events{payment.Started{PaymentID: "p1", Amount: usd(1), Allocations: list, Note: "n"}}
	annotated := payment.Annotated{AllocationID: "a1", Note: "m"}
	captured := payment.Captured{PaymentID: "p1", Amount: usd(1), Allocations: list, Credit: usd(0), Note: "c"}
	moved := payment.Reallocated{
		Taken: []payment.Taken{{AllocationID: "a1", FeeID: "f1", Amount: usd(1)}}, Given: []payment.Allocation{{ID: "a2", FeeID: "f2", Amount: usd(1)}}, Credit: usd(0),
	}
	movedFor := moved
	movedFor.Note = "r"
	isSo := func(name, id, note string, given ...payment.Event) testCase {
		return testCase{Name: name, Given: given, When: payment.Annotate{AllocationID: id, Note: note}}
	}
	decidertest.Run(
		t, payment.Decider,
		testCase{Name: "replaces", Given: started, When: payment.Annotate{AllocationID: "a1", Note: "m"}, Then: events{annotated}},
		testCase{Name: "same note", Given: started, When: payment.Annotate{AllocationID: "a1", Note: "n"}},
		testCase{Name: "replaced before", Given: append(started[:1:1], annotated), When: payment.Annotate{AllocationID: "a1", Note: "m"}},
		testCase{Name: "a capture keeps it", Given: append(started[:1:1], annotated, captured), When: payment.Annotate{AllocationID: "a1", Note: "m"}},
		isSo("the void's", "a1", "v", captured, payment.Voided{Amount: usd(1), Note: "v"}),
		isSo("a void without one keeps it", "a1", "c", captured, payment.Voided{Amount: usd(1)}),
		isSo("the failure's", "a1", "f", started[0], payment.Failed{Note: "f"}),
		isSo("a failure without one keeps it", "a1", "n", started[0], payment.Failed{}),
		isSo("that of the calling off", "a1", "k", started[0], payment.Cancelled{Note: "k"}),
		isSo("what is given has that of what was taken", "a2", "c", captured, moved),
		isSo("what is given has the reallocation's", "a2", "r", captured, movedFor),
		isSo("what was taken keeps its own", "a1", "c", captured, movedFor, payment.Voided{Amount: usd(1), Note: "v"}),
		testCase{Name: "no such allocation", Given: started, When: payment.Annotate{AllocationID: "a2"}, Err: payment.ErrAllocationNotFound},
		testCase{Name: "no payment", When: payment.Annotate{AllocationID: "a1"}, Err: payment.ErrNotFound},
	)
}
