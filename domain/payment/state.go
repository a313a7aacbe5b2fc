package payment

import (
	"cmp"
	"slices"

	"payledger/domain/money"
)

// Phase is how far a payment has come.
type Phase int

// The phases.
const (
	PhaseNone Phase = iota // no such payment
	PhaseStarted
	PhaseCaptured
	PhaseFailed
	PhaseCancelled
	PhaseVoided
)

// State is what decisions about one payment need to know. It is an immutable
// value: Evolve never changes the slices of an older one.
type State struct {
	Phase                 Phase
	Hidden                bool
	PaymentID             string
	UserID                string
	Tender                Tender
	Amount                money.Amount
	HandledBy             string
	Allocations           []Live   // in the order in which they were made, also those without money
	Credits               []Credit // in the order in which they were granted
	StripePaymentIntentID string
}

// Live is an allocation with what is left of it: for a started payment what it
// asks for, for a captured one what its fee has of it, zero once all was taken off.
type Live struct {
	Allocation
	Note string
}

// Credit is money of the payment that became a credit.
type Credit struct {
	ID     string
	Amount money.Amount
}

// Exists reports whether there is such a payment.
func (s State) Exists() bool { return s.Phase != PhaseNone }

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Started:
		s = State{
			Phase: PhaseStarted, PaymentID: e.PaymentID, UserID: e.UserID, Tender: e.Tender, Amount: e.Amount,
			HandledBy: e.HandledBy, StripePaymentIntentID: e.StripePaymentIntentID,
		}
		return s.give(e.Allocations, e.Note)
	case Captured:
		return s.captured(e)
	case Failed:
		s.Phase = PhaseFailed
		return s.annotated(e.Note)
	case Cancelled:
		s.Phase, s.Hidden = PhaseCancelled, e.Hidden
		return s.annotated(e.Note)
	case Voided:
		s.Phase, s.Hidden = PhaseVoided, e.Hidden
		s = s.annotated(e.Note)
		s.Credits = nil
		for i := range s.Allocations {
			s.Allocations[i].Amount = money.Zero(s.Amount.Currency())
		}
	case Reallocated:
		s.Allocations = slices.Clone(s.Allocations)
		note := "" // of the last that lost money
		for _, t := range e.Taken {
			if i := s.index(t.AllocationID); i >= 0 {
				note = s.Allocations[i].Note
				s.Allocations[i].Amount = minus(s.Allocations[i].Amount, t.Amount)
			}
		}
		return s.give(e.Given, cmp.Or(e.Note, note)).credit(e.CreditID, e.Credit)
	case Annotated:
		s.Allocations = slices.Clone(s.Allocations)
		if i := s.index(e.AllocationID); i >= 0 {
			s.Allocations[i].Note = e.Note
		}
	}
	return s
}

// captured keeps the notes of allocations that had started.
func (s State) captured(e Captured) State {
	next := State{
		Phase: PhaseCaptured, PaymentID: e.PaymentID, UserID: e.UserID, Tender: e.Tender, Amount: e.Amount,
		HandledBy: e.HandledBy, StripePaymentIntentID: e.StripePaymentIntentID,
	}
	next = next.give(e.Allocations, e.Note).credit(e.CreditID, e.Credit)
	for _, before := range s.Allocations {
		if i := next.index(before.ID); i >= 0 {
			next.Allocations[i].Note = before.Note
		} else {
			before.Amount = money.Zero(e.Amount.Currency())
			next.Allocations = append(next.Allocations, before)
		}
	}
	return next
}

// annotated gives the allocations that have money the note of an event, if it has one. The list is the new state's own.
func (s State) annotated(note string) State {
	s.Allocations = slices.Clone(s.Allocations)
	for i, a := range s.Allocations {
		if a.Amount.IsPositive() {
			s.Allocations[i].Note = cmp.Or(note, a.Note)
		}
	}
	return s
}

func (s State) give(list []Allocation, note string) State {
	s.Allocations = slices.Clone(s.Allocations)
	for _, a := range list {
		s.Allocations = append(s.Allocations, Live{Allocation: a, Note: note})
	}
	return s
}

func (s State) credit(id string, amount money.Amount) State {
	if id != "" {
		s.Credits = append(slices.Clone(s.Credits), Credit{ID: id, Amount: amount})
	}
	return s
}

// index returns where an allocation stands, -1 for none.
func (s State) index(id string) int {
	return slices.IndexFunc(s.Allocations, func(a Live) bool { return a.ID == id })
}

// plus and minus trust what was decided: nothing loses more than it has.
func plus(a, b money.Amount) money.Amount  { return money.New(a.Minor()+b.Minor(), a.Currency()) }
func minus(a, b money.Amount) money.Amount { return money.New(a.Minor()-b.Minor(), a.Currency()) }
