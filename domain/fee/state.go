package fee

import (
	"cmp"
	"slices"
	"time"

	"payledger/domain/money"
)

// State is what decisions about one fee need to know. It is an immutable value:
// Evolve never changes the slices of an older one.
type State struct {
	Exists         bool
	UserID         string
	Currency       money.Currency
	Gross          money.Amount // what is charged now: zero once cancelled
	Allocated      money.Amount // what payments have settled
	Cancelled      bool
	Note           string    // the last that was said about it, by whatever event
	FirstEffective time.Time // when the first event took effect

	reductions  []reduction
	allocations []string // ids
}

// reduction is money forgiven under an id. Nothing of it is live once released.
type reduction struct {
	id   string
	live money.Amount
}

// Reduced returns the sum of the live reductions.
func (s State) Reduced() money.Amount {
	sum := money.Zero(s.Currency)
	for _, r := range s.reductions {
		sum = plus(sum, r.live)
	}
	return sum
}

// Outstanding returns what is still owed.
func (s State) Outstanding() money.Amount {
	return minus(minus(s.Gross, s.Reduced()), s.Allocated)
}

// Settlement says whether a fee is still owed.
type Settlement string

// The settlements.
const (
	SettlementOpen      Settlement = "open"
	SettlementSettled   Settlement = "settled"
	SettlementCancelled Settlement = "cancelled"
)

// Settlement derives whether the fee is still owed.
func (s State) Settlement() Settlement {
	switch {
	case s.Cancelled:
		return SettlementCancelled
	case s.Outstanding().IsPositive():
		return SettlementOpen
	default:
		return SettlementSettled
	}
}

// Status is the state of a fee in the words of the API.
type Status string

// The statuses.
const (
	StatusUnpaid   Status = "unpaid"
	StatusPaid     Status = "paid"
	StatusWaived   Status = "waived"
	StatusCanceled Status = "canceled"
)

// Status derives the word of the API from the sums. A fee settled partly by money
// and partly by a waiver counts as paid.
func (s State) Status() Status {
	switch {
	case s.Cancelled, s.Gross.IsZero():
		return StatusCanceled
	case s.Outstanding().IsPositive():
		return StatusUnpaid
	case s.Allocated.IsPositive():
		return StatusPaid
	default:
		return StatusWaived
	}
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Assessed:
		return State{
			Exists: true, UserID: e.UserID, Currency: e.Amount.Currency(), Gross: e.Amount,
			Allocated: money.Zero(e.Amount.Currency()), Note: e.Note, FirstEffective: e.AssessedAt,
		}
	case Waived:
		s.reductions = append(slices.Clone(s.reductions), reduction{id: e.ReductionID, live: e.Amount})
		s.Note = cmp.Or(e.Note, s.Note)
	case ReductionReleased:
		s.reductions = slices.Clone(s.reductions)
		for i, r := range s.reductions {
			if r.id == e.ReductionID {
				s.reductions[i].live = minus(r.live, e.Amount)
			}
		}
	case Cancelled:
		s.Cancelled = true
		s.Gross = minus(s.Gross, e.Amount)
		s.Note = cmp.Or(e.Note, s.Note)
	case PaymentApplied:
		s.Allocated = plus(s.Allocated, e.Amount)
		s.allocations = append(slices.Clone(s.allocations), e.AllocationID)
	case Annotated:
		s.Note = e.Note
	}
	return s
}

// plus and minus trust what was decided: no sum about a fee exceeds its gross.
func plus(a, b money.Amount) money.Amount  { return money.New(a.Minor()+b.Minor(), a.Currency()) }
func minus(a, b money.Amount) money.Amount { return money.New(a.Minor()-b.Minor(), a.Currency()) }
