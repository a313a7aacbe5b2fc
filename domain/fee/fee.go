// Package fee decides about one fee: assessed, then adjusted, paid, waived, written
// off or cancelled.
//
// Waiving leaves the debt acknowledged and forgives it; cancelling says that it
// never was; adjusting says that it was another; paying settles it with money. What
// is owed is always derived: outstanding = gross - live reductions - allocated.
package fee

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"payledger/domain"
	"payledger/domain/money"
)

// Rejections. The rules that all amounts share are in domain/money, those that all
// streams share in domain.
var (
	// ErrExists refuses to assess a fee under an id in use.
	ErrExists = errors.New("fee exists already")
	// ErrNotFound refuses any other command on a fee that was never assessed, or
	// is hidden.
	ErrNotFound = errors.New("fee not found")
	// ErrCancelled refuses to change what is owed of a cancelled fee.
	ErrCancelled = errors.New("fee is cancelled")
	// ErrAlreadySettled refuses to pay or waive where nothing is owed any more.
	ErrAlreadySettled = errors.New("fee is already settled")
	// ErrExceedsOutstanding refuses an amount greater than what is owed.
	ErrExceedsOutstanding = errors.New("amount exceeds what is owed")
	// ErrReserved refuses an amount of what a started payment holds.
	ErrReserved = errors.New("amount is reserved for a payment in progress")
	// ErrExceedsGross refuses to charge less than nothing.
	ErrExceedsGross = errors.New("amount exceeds what is charged")
	// ErrMoneyApplied refuses to cancel a fee that money was paid on.
	ErrMoneyApplied = errors.New("money was paid on the fee")
	// ErrReductionNotFound refuses to reverse a waiver or write-off that isn't there.
	ErrReductionNotFound = errors.New("reduction not found")
	// ErrRecovered refuses to reverse a write-off of which nothing is left but what came
	// for it after all.
	ErrRecovered = errors.New("the money written off has come")
	// ErrAllocationNotFound refuses to take off money that isn't on the fee.
	ErrAllocationNotFound = errors.New("no such money on the fee")
	// ErrNoteExists refuses to add a note under an id in use.
	ErrNoteExists = errors.New("note exists already")
	// ErrNoteNotFound refuses to change or hide a note that isn't shown.
	ErrNoteNotFound = errors.New("note not found")
	// ErrUnknownCause refuses a cancellation without one of the causes.
	ErrUnknownCause = errors.New("unknown cause of cancellation")
	// ErrUnknownDirection refuses an adjustment neither up nor down.
	ErrUnknownDirection = errors.New("unknown direction of an adjustment")
	// ErrUnknownVisibility refuses a note for neither staff nor patron.
	ErrUnknownVisibility = errors.New("unknown visibility of a note")
)

// Stream returns the name of the stream of a fee. Its subject is the fee's user.
func Stream(feeID string) string { return "fee-" + feeID }

// Decider holds the rules of a fee.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Assess:
		return assess(s, c)
	case Adjust:
		return adjust(s, c)
	case Waive:
		return waive(s, c)
	case WriteOff:
		return writeOff(s, c)
	case ReverseReduction:
		return reverseReduction(s, c)
	case Cancel:
		return cancel(s, c)
	case Reserve:
		return reserve(s, c)
	case Release:
		return release(s, c)
	case ApplyPayment:
		return applyPayment(s, c)
	case UnapplyPayment:
		return unapplyPayment(s, c)
	case ApplyCredit:
		return applyCredit(s, c)
	case Annotate:
		return annotate(s, c)
	case AddNote:
		return addNote(s, c)
	case ChangeNote:
		return changeNote(s, c)
	case HideNote:
		return hideNote(s, c)
	}
	return nil, fmt.Errorf("%w: fee %T", domain.ErrUnknownCommand, c)
}

func assess(s State, c Assess) ([]Event, error) {
	if s.Exists {
		return nil, ErrExists
	}
	if !c.Amount.IsPositive() {
		return nil, money.ErrNotPositive
	}
	return []Event{Assessed{
		FeeID: c.FeeID, UserID: c.UserID, LoanID: c.LoanID, Amount: c.Amount,
		Reason: c.Reason, Note: c.Note, AssessedAt: c.At.UTC(),
	}}, nil
}

func waive(s State, c Waive) ([]Event, error) {
	amount, err := s.reduces(c.ReductionID, c.Amount, c.At)
	if err != nil || amount == nothing {
		return nil, err
	}
	return []Event{Waived{ReductionID: c.ReductionID, Amount: amount, Reason: c.Reason, Note: c.Note}}, nil
}

func writeOff(s State, c WriteOff) ([]Event, error) {
	amount, err := s.reduces(c.ReductionID, c.Amount, c.At)
	if err != nil || amount == nothing {
		return nil, err
	}
	return []Event{WrittenOff{ReductionID: c.ReductionID, Amount: amount, Reason: c.Reason, Note: c.Note}}, nil
}

// nothing is the amount that no command names.
var nothing money.Amount

// reduces returns the amount of a reduction, nothing if it is there already.
func (s State) reduces(id string, amount money.Amount, at time.Time) (money.Amount, error) {
	if err := s.admits(at); err != nil {
		return nothing, err
	}
	all := amount == nothing
	switch {
	case s.hasReduction(id), all && s.Status() == StatusWaived:
		return nothing, nil
	case all && s.Outstanding().IsPositive() && s.Free().IsZero():
		return nothing, ErrReserved
	case all:
		amount = s.Free()
	}
	return amount, s.settles(amount)
}

func reverseReduction(s State, c ReverseReduction) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.Cancelled {
		return nil, ErrCancelled
	}
	for _, r := range s.reductions {
		switch {
		case r.id != c.ReductionID:
		case r.live.IsZero() && !r.reversed && s.recovered(r.id):
			return nil, fmt.Errorf("%w: %q", ErrRecovered, r.id)
		case r.live.IsZero():
			return nil, nil
		default:
			return []Event{ReductionReversed{ReductionID: r.id, Amount: r.live, Reason: c.Reason, Note: c.Note}}, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrReductionNotFound, c.ReductionID)
}

func cancel(s State, c Cancel) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	switch {
	case !c.Cause.known():
		return nil, fmt.Errorf("%w: %q", ErrUnknownCause, c.Cause)
	case s.Cancelled && !c.Hide:
		return nil, nil
	case s.Allocated.IsPositive():
		return nil, ErrMoneyApplied
	}
	var events []Event
	for _, r := range s.reductions {
		if r.live.IsPositive() {
			events = append(events, ReductionReleased{ReductionID: r.id, Amount: r.live})
		}
	}
	for _, r := range s.reservations {
		if r.live.IsPositive() {
			events = append(events, r.released(ReleaseCanceled))
		}
	}
	return append(events, Cancelled{Amount: s.Gross, Cause: c.Cause, Hidden: c.Hide, Note: c.Note}), nil
}

func annotate(s State, c Annotate) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.Note == c.Note {
		return nil, nil
	}
	return []Event{Annotated{Note: c.Note}}, nil
}

// admits refuses a change of what doesn't exist, or of the time before it did.
func (s State) admits(at time.Time) error {
	switch {
	case !s.Exists, s.Hidden:
		return ErrNotFound
	case at.Before(s.FirstEffective):
		return domain.ErrBeforeFirstEvent
	}
	return nil
}

// settles refuses an amount that can't be taken off what is owed.
func (s State) settles(amount money.Amount) error {
	owed := s.Outstanding()
	switch {
	case s.Cancelled:
		return ErrCancelled
	case owed.IsZero():
		return ErrAlreadySettled
	case amount.Currency() != s.Currency:
		return fmt.Errorf("%w: fee in %s", money.ErrCurrencyMismatch, s.Currency)
	case !amount.IsPositive():
		return money.ErrNotPositive
	case amount.Cmp(owed) > 0:
		return fmt.Errorf("%w: %s", ErrExceedsOutstanding, owed)
	case amount.Cmp(s.Free()) > 0:
		return fmt.Errorf("%w: %s is free", ErrReserved, s.Free())
	}
	return nil
}

func (s State) hasReduction(id string) bool {
	return slices.ContainsFunc(s.reductions, func(r reduction) bool { return r.id == id })
}
