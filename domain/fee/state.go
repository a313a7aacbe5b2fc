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
	Allocated      money.Amount // what payments and credits have settled
	Cancelled      bool
	Hidden         bool
	Note           string    // the last that was said about it, by whatever event but added notes
	FirstEffective time.Time // when the first event took effect

	reductions   []reduction
	recoveries   []recovery
	allocations  []allocation
	reservations []reservation
	adjustments  []string // ids
	notes        []note
}

// reduction is money forgiven under an id. Nothing of it is live once released.
type reduction struct {
	id         string
	writtenOff bool
	reversed   bool // the last that happened to it: somebody took it back
	live       money.Amount
}

// recovery is money of an allocation that came for a write-off.
type recovery struct {
	reductionID, allocationID string
	live                      money.Amount // zero once the money was taken off
}

// allocation is money of a payment or of a credit on the fee, under an id.
type allocation struct {
	id                  string
	paymentID, creditID string       // one of them is empty
	live                money.Amount // what of it is still on the fee: zero once all was taken off
}

// reservation is what a started payment holds. Nothing is live once it is released.
type reservation struct {
	allocationID, paymentID string
	live                    money.Amount
}

// note is an added note.
type note struct {
	id, text string
	hidden   bool
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

// WrittenOff returns what is given up and hasn't come after all.
func (s State) WrittenOff() money.Amount {
	sum := money.Zero(s.Currency)
	for _, r := range s.reductions {
		if r.writtenOff {
			sum = plus(sum, r.live)
		}
	}
	return sum
}

// Payable returns what a payment that names the fee may bring: what is owed, and what
// was written off.
func (s State) Payable() money.Amount { return plus(s.Outstanding(), s.WrittenOff()) }

// Reserved returns what started payments hold. It may be more than what is owed
// once the fee has shrunk.
func (s State) Reserved() money.Amount {
	sum := money.Zero(s.Currency)
	for _, r := range s.reservations {
		sum = plus(sum, r.live)
	}
	return sum
}

// Free returns what is owed and not reserved: what may be paid or forgiven.
func (s State) Free() money.Amount {
	free := minus(s.Outstanding(), s.Reserved())
	if free.IsNegative() {
		return money.Zero(s.Currency)
	}
	return free
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
	StatusUnpaid            Status = "unpaid"
	StatusPaymentInProgress Status = "paymentInProgress"
	StatusPaid              Status = "paid"
	StatusWaived            Status = "waived"
	StatusCanceled          Status = "canceled"
)

// Status derives the word of the API from the sums. A fee settled partly by money
// and partly by a waiver counts as paid; a write-off counts as a waiver.
func (s State) Status() Status {
	switch {
	case s.Cancelled, s.Gross.IsZero():
		return StatusCanceled
	case s.Outstanding().IsPositive() && s.Reserved().IsPositive():
		return StatusPaymentInProgress
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
	case Adjusted:
		return s.adjusted(e)
	case Waived:
		return s.reduced(reduction{id: e.ReductionID, live: e.Amount}, e.Note)
	case WrittenOff:
		return s.reduced(reduction{id: e.ReductionID, live: e.Amount, writtenOff: true}, e.Note)
	case ReductionReleased:
		return s.restored(e.ReductionID, e.Amount, false, "")
	case ReductionReversed:
		return s.restored(e.ReductionID, e.Amount, true, e.Note)
	case WriteOffRecovered:
		s = s.restored(e.ReductionID, e.Amount, false, "")
		s.recoveries = append(slices.Clone(s.recoveries), recovery{e.ReductionID, e.AllocationID, e.Amount})
	case RecoveryReversed:
		return s.unrecovered(e)
	case Cancelled:
		s.Cancelled, s.Hidden = true, s.Hidden || e.Hidden
		s.Gross = minus(s.Gross, e.Amount)
		s.Note = cmp.Or(e.Note, s.Note)
	case PaymentReserved:
		s.reservations = append(slices.Clone(s.reservations), reservation{e.AllocationID, e.PaymentID, e.Amount})
	case ReservationReleased:
		s.reservations = slices.Clone(s.reservations)
		for i, r := range s.reservations {
			if r.allocationID == e.AllocationID {
				s.reservations[i].live = minus(r.live, e.Amount)
			}
		}
	case PaymentApplied:
		return s.allocated(allocation{id: e.AllocationID, paymentID: e.PaymentID, live: e.Amount})
	case CreditApplied:
		return s.allocated(allocation{id: e.AllocationID, creditID: e.CreditID, live: e.Amount})
	case PaymentUnapplied:
		return s.unallocated(e.AllocationID, e.Amount)
	case CreditUnapplied:
		return s.unallocated(e.AllocationID, e.Amount)
	case Annotated:
		s.Note = e.Note
	case NoteAdded:
		s.notes = append(slices.Clone(s.notes), note{id: e.NoteID, text: e.Note})
	case NoteChanged:
		return s.renoted(e.NoteID, func(n *note) { n.text = e.Note })
	case NoteHidden:
		return s.renoted(e.NoteID, func(n *note) { n.hidden = true })
	}
	return s
}

func (s State) adjusted(e Adjusted) State {
	s.adjustments = append(slices.Clone(s.adjustments), e.AdjustmentID)
	s.Note = cmp.Or(e.Note, s.Note)
	if e.Direction == DirectionIncrease {
		s.Gross = plus(s.Gross, e.Amount)
	} else {
		s.Gross = minus(s.Gross, e.Amount)
	}
	return s
}

func (s State) reduced(r reduction, text string) State {
	s.reductions = append(slices.Clone(s.reductions), r)
	s.Note = cmp.Or(text, s.Note)
	return s
}

func (s State) restored(id string, amount money.Amount, reversed bool, text string) State {
	s.reductions = slices.Clone(s.reductions)
	for i, r := range s.reductions {
		if r.id == id {
			s.reductions[i].live, s.reductions[i].reversed = minus(r.live, amount), reversed
		}
	}
	s.Note = cmp.Or(text, s.Note)
	return s
}

func (s State) unrecovered(e RecoveryReversed) State {
	s = s.restored(e.ReductionID, negative(e.Amount), false, "")
	s.recoveries = slices.Clone(s.recoveries)
	for i, r := range s.recoveries {
		if r.reductionID == e.ReductionID && r.allocationID == e.AllocationID {
			s.recoveries[i].live = minus(r.live, e.Amount)
		}
	}
	return s
}

func (s State) allocated(a allocation) State {
	s.Allocated = plus(s.Allocated, a.live)
	s.allocations = append(slices.Clone(s.allocations), a)
	return s
}

func (s State) unallocated(id string, amount money.Amount) State {
	s.Allocated = minus(s.Allocated, amount)
	s.allocations = slices.Clone(s.allocations)
	for i, a := range s.allocations {
		if a.id == id {
			s.allocations[i].live = minus(a.live, amount)
		}
	}
	return s
}

func (s State) renoted(id string, change func(*note)) State {
	s.notes = slices.Clone(s.notes)
	for i := range s.notes {
		if s.notes[i].id == id {
			change(&s.notes[i])
		}
	}
	return s
}

// plus and minus trust what was decided: no sum about a fee exceeds its gross.
func plus(a, b money.Amount) money.Amount  { return money.New(a.Minor()+b.Minor(), a.Currency()) }
func minus(a, b money.Amount) money.Amount { return money.New(a.Minor()-b.Minor(), a.Currency()) }
