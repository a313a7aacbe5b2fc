// Package fee decides about one fee: assessed, then paid, waived or cancelled.
//
// Waiving leaves the debt acknowledged and forgives it; cancelling says that it
// never was; paying settles it with money. What is owed is always derived:
// outstanding = gross - live reductions - allocated.
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
	// ErrNotFound refuses any other command on a fee that was never assessed.
	ErrNotFound = errors.New("fee not found")
	// ErrCancelled refuses to pay or waive a cancelled fee.
	ErrCancelled = errors.New("fee is cancelled")
	// ErrAlreadySettled refuses to pay or waive where nothing is owed any more.
	ErrAlreadySettled = errors.New("fee is already settled")
	// ErrExceedsOutstanding refuses an amount greater than what is owed.
	ErrExceedsOutstanding = errors.New("amount exceeds what is owed")
	// ErrMoneyApplied refuses to cancel a fee that money was paid on.
	ErrMoneyApplied = errors.New("money was paid on the fee")
	// ErrUnknownCause refuses a cancellation without one of the causes.
	ErrUnknownCause = errors.New("unknown cause of cancellation")
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
	case Waive:
		return waive(s, c)
	case Cancel:
		return cancel(s, c)
	case ApplyPayment:
		return applyPayment(s, c)
	case Annotate:
		return annotate(s, c)
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
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	all := c.Amount == money.Amount{}
	switch {
	case s.hasReduction(c.ReductionID), all && s.Status() == StatusWaived:
		return nil, nil
	case all:
		c.Amount = s.Outstanding()
	}
	if err := s.settles(c.Amount); err != nil {
		return nil, err
	}
	return []Event{Waived{ReductionID: c.ReductionID, Amount: c.Amount, Reason: c.Reason, Note: c.Note}}, nil
}

func cancel(s State, c Cancel) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	switch {
	case !c.Cause.known():
		return nil, fmt.Errorf("%w: %q", ErrUnknownCause, c.Cause)
	case s.Cancelled:
		return nil, nil
	case s.Allocated.IsPositive():
		return nil, ErrMoneyApplied
	}
	var events []Event
	for _, r := range s.reductions { // none was released before: only a cancellation does that
		events = append(events, ReductionReleased{ReductionID: r.id, Amount: r.live})
	}
	return append(events, Cancelled{Amount: s.Gross, Cause: c.Cause, Note: c.Note}), nil
}

func applyPayment(s State, c ApplyPayment) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.hasAllocation(c.AllocationID) {
		return nil, nil
	}
	if err := s.settles(c.Amount); err != nil {
		return nil, err
	}
	return []Event{PaymentApplied{PaymentID: c.PaymentID, AllocationID: c.AllocationID, Amount: c.Amount}}, nil
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
	case !s.Exists:
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
	}
	return nil
}

func (s State) hasAllocation(id string) bool {
	return slices.ContainsFunc(s.allocations, func(a Allocation) bool { return a.ID == id })
}

func (s State) hasReduction(id string) bool {
	return slices.ContainsFunc(s.reductions, func(r reduction) bool { return r.id == id })
}
