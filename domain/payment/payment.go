// Package payment decides about one payment: money taken at once for any number of
// fees of a person. All of it has a target: what no fee takes becomes a credit.
// A payment may start before its money arrives: until it is captured, it only
// holds what it is for.
package payment

import (
	"errors"
	"fmt"
	"slices"

	"payledger/domain"
	"payledger/domain/money"
)

// Rejections. The rules that all amounts share are in domain/money.
var (
	// ErrExists refuses to record or start a payment under an id in use.
	ErrExists = errors.New("payment exists already")
	// ErrNotFound refuses any other command on a payment that isn't there, or is hidden.
	ErrNotFound = errors.New("payment not found")
	// ErrNotPending refuses to capture, fail or cancel a payment that isn't on its way.
	ErrNotPending = errors.New("payment isn't pending")
	// ErrNotCaptured refuses to void or reallocate a payment that brought no money.
	ErrNotCaptured = errors.New("payment isn't captured")
	// ErrUnknownTender refuses a payment that isn't by one of the tenders.
	ErrUnknownTender = errors.New("unknown tender")
	// ErrUnknownOutcome refuses a void that makes a payment neither failed nor canceled.
	ErrUnknownOutcome = errors.New("unknown outcome of a void")
	// ErrAllocationNotFound refuses to take money from what isn't an allocation of
	// the payment, or more than it has.
	ErrAllocationNotFound = errors.New("payment has no such allocation")
	// ErrDuplicateAllocation refuses two allocations under one id.
	ErrDuplicateAllocation = errors.New("two allocations with one id")
	// ErrDuplicateFee refuses two allocations to one fee.
	ErrDuplicateFee = errors.New("two allocations to one fee")
	// ErrOverAllocated refuses allocations of more money than there is.
	ErrOverAllocated = errors.New("allocations exceed the payment")
	// ErrTooManyFees refuses allocations to more than MaxAllocations fees.
	ErrTooManyFees = errors.New("payment goes to too many fees")
	// ErrNoTarget refuses money that has neither a fee nor a credit to go to.
	ErrNoTarget = errors.New("money without a fee or a credit to go to")
)

// MaxAllocations is how many fees a payment may go to. Its event names all of them: it
// must not be too large to be published, and whoever folds one of the fees reads it whole.
const MaxAllocations = 1000

// Stream returns the name of the stream of a payment. Its subject is the payment's user.
func Stream(paymentID string) string { return "payment-" + paymentID }

// Decider holds the rules of a payment.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Record:
		return record(s, c)
	case Start:
		return start(s, c)
	case Capture:
		return capture(s, c)
	case Fail:
		return fail(s, c)
	case Cancel:
		return cancel(s, c)
	case Void:
		return void(s, c)
	case Reallocate:
		return reallocate(s, c)
	case Annotate:
		return annotate(s, c)
	}
	return nil, fmt.Errorf("%w: payment %T", domain.ErrUnknownCommand, c)
}

func record(s State, c Record) ([]Event, error) {
	if err := s.begins(c.Tender, c.Amount, c.Allocations); err != nil {
		return nil, err
	}
	rest, err := allot(c.Amount, c.Allocations)
	if err != nil {
		return nil, err
	}
	creditID, err := keep(rest, c.CreditID)
	if err != nil {
		return nil, err
	}
	return []Event{Captured{
		PaymentID: c.PaymentID, UserID: c.UserID, Tender: c.Tender, Amount: c.Amount, HandledBy: c.HandledBy,
		Allocations: copied(c.Allocations), CreditID: creditID, Credit: rest,
		StripePaymentIntentID: c.StripePaymentIntentID, Note: c.Note,
	}}, nil
}

func start(s State, c Start) ([]Event, error) {
	if err := s.begins(c.Tender, c.Amount, c.Allocations); err != nil {
		return nil, err
	}
	rest, err := allot(c.Amount, c.Allocations)
	if err != nil {
		return nil, err
	}
	if _, err = keep(rest, ""); err != nil {
		return nil, err
	}
	return []Event{Started{
		PaymentID: c.PaymentID, UserID: c.UserID, Tender: c.Tender, Amount: c.Amount, HandledBy: c.HandledBy,
		Allocations: copied(c.Allocations), StripePaymentIntentID: c.StripePaymentIntentID, Note: c.Note,
	}}, nil
}

// begins refuses a payment that can't be.
func (s State) begins(tender Tender, amount money.Amount, allocations []Allocation) error {
	switch {
	case len(allocations) > MaxAllocations:
		return tooManyFees()
	case s.Exists():
		return ErrExists
	case !tender.known():
		return fmt.Errorf("%w: %q", ErrUnknownTender, tender)
	case !amount.IsPositive():
		return money.ErrNotPositive
	}
	return nil
}

func capture(s State, c Capture) ([]Event, error) {
	if err := s.isPending(PhaseCaptured); err != nil || s.Phase == PhaseCaptured {
		return nil, err
	}
	for _, a := range c.Allocations {
		i := s.index(a.ID)
		if i < 0 || s.Allocations[i].FeeID != a.FeeID || a.Amount.Cmp(s.Allocations[i].Amount) > 0 {
			return nil, fmt.Errorf("%w: %q", ErrAllocationNotFound, a.ID)
		}
	}
	rest, err := allot(s.Amount, c.Allocations)
	if err != nil {
		return nil, err
	}
	creditID, err := keep(rest, c.CreditID)
	if err != nil {
		return nil, err
	}
	return []Event{Captured{
		PaymentID: s.PaymentID, UserID: s.UserID, Tender: s.Tender, Amount: s.Amount, HandledBy: s.HandledBy,
		Allocations: copied(c.Allocations), CreditID: creditID, Credit: rest,
		StripePaymentIntentID: s.StripePaymentIntentID, Note: c.Note,
	}}, nil
}

func fail(s State, c Fail) ([]Event, error) {
	if err := s.isPending(PhaseFailed); err != nil || s.Phase == PhaseFailed {
		return nil, err
	}
	return []Event{Failed{PaymentID: s.PaymentID, Reason: c.Reason, Note: c.Note}}, nil
}

func cancel(s State, c Cancel) ([]Event, error) {
	if err := s.isPending(PhaseCancelled); err != nil || s.Phase == PhaseCancelled {
		return nil, err
	}
	return []Event{Cancelled{PaymentID: s.PaymentID, Reason: c.Reason, Hidden: c.Hide, Note: c.Note}}, nil
}

// isPending refuses to end a payment that isn't on its way, unless it has come to
// the same end.
func (s State) isPending(or Phase) error {
	switch {
	case !s.Exists(), s.Hidden:
		return ErrNotFound
	case s.Phase != PhaseStarted && s.Phase != or:
		return ErrNotPending
	}
	return nil
}

func void(s State, c Void) ([]Event, error) {
	switch {
	case !s.Exists(), s.Hidden:
		return nil, ErrNotFound
	case c.Outcome != OutcomeFailed && c.Outcome != OutcomeCanceled:
		return nil, fmt.Errorf("%w: %q", ErrUnknownOutcome, c.Outcome)
	case s.Phase == PhaseVoided:
		return nil, nil
	case s.Phase != PhaseCaptured:
		return nil, ErrNotCaptured
	}
	return []Event{Voided{Amount: s.Amount, Reason: c.Reason, Outcome: c.Outcome, Hidden: c.Hide, Note: c.Note}}, nil
}

func reallocate(s State, c Reallocate) ([]Event, error) {
	switch {
	case !s.Exists(), s.Hidden:
		return nil, ErrNotFound
	case s.Phase != PhaseCaptured:
		return nil, ErrNotCaptured
	case s.did(c):
		return nil, nil
	case len(c.Given) > MaxAllocations:
		return nil, tooManyFees()
	}
	sum := money.Zero(s.Amount.Currency())
	taken := make([]Taken, len(c.Taken))
	for i, t := range c.Taken {
		from := s.index(t.AllocationID)
		switch {
		case slices.ContainsFunc(c.Taken[:i], func(other Taken) bool { return other.AllocationID == t.AllocationID }):
			return nil, fmt.Errorf("%w: %q", ErrDuplicateAllocation, t.AllocationID)
		case from < 0:
			return nil, fmt.Errorf("%w: %q", ErrAllocationNotFound, t.AllocationID)
		}
		left, err := take(s.Allocations[from].Amount, t.Amount)
		if err != nil {
			return nil, fmt.Errorf("take from allocation %s: %w", t.AllocationID, err)
		}
		sum = plus(sum, minus(s.Allocations[from].Amount, left))
		taken[i] = Taken{AllocationID: t.AllocationID, FeeID: s.Allocations[from].FeeID, Amount: t.Amount}
	}
	if sum.IsZero() {
		return nil, money.ErrNotPositive
	}
	rest, err := allot(sum, c.Given)
	if err != nil {
		return nil, err
	}
	creditID, err := keep(rest, c.CreditID)
	if err != nil {
		return nil, err
	}
	return []Event{Reallocated{
		Taken: taken, Given: copied(c.Given), CreditID: creditID, Credit: rest, Cause: c.Cause, Reason: c.Reason, Note: c.Note,
	}}, nil
}

// did reports whether the money of a reallocation is where it is to go already.
func (s State) did(c Reallocate) bool {
	return slices.ContainsFunc(c.Given, func(a Allocation) bool { return s.index(a.ID) >= 0 }) ||
		slices.ContainsFunc(s.Credits, func(k Credit) bool { return k.ID == c.CreditID })
}

func annotate(s State, c Annotate) ([]Event, error) {
	if !s.Exists() || s.Hidden {
		return nil, ErrNotFound
	}
	i := s.index(c.AllocationID)
	switch {
	case i < 0:
		return nil, fmt.Errorf("%w: %q", ErrAllocationNotFound, c.AllocationID)
	case s.Allocations[i].Note == c.Note:
		return nil, nil
	}
	return []Event{Annotated{AllocationID: c.AllocationID, Note: c.Note}}, nil
}

// keep returns the credit that a rest goes to: none for nothing.
func keep(rest money.Amount, creditID string) (string, error) {
	switch {
	case rest.IsZero():
		return "", nil
	case creditID == "":
		return "", fmt.Errorf("%w: %s", ErrNoTarget, rest)
	}
	return creditID, nil
}

// copied returns a list of its own, never null in JSON.
func tooManyFees() error { return fmt.Errorf("%w: more than %d", ErrTooManyFees, MaxAllocations) }

func copied(list []Allocation) []Allocation { return append([]Allocation{}, list...) }

// allot takes the allocations off the amount and returns the rest.
func allot(amount money.Amount, allocations []Allocation) (money.Amount, error) {
	rest := amount
	ids, fees := make(map[string]bool), make(map[string]bool)
	for _, a := range allocations {
		if ids[a.ID] {
			return money.Amount{}, fmt.Errorf("%w: %q", ErrDuplicateAllocation, a.ID)
		}
		if fees[a.FeeID] {
			return money.Amount{}, fmt.Errorf("%w: %q", ErrDuplicateFee, a.FeeID)
		}
		ids[a.ID], fees[a.FeeID] = true, true
		var err error
		if rest, err = take(rest, a.Amount); err != nil {
			return money.Amount{}, fmt.Errorf("allocate to fee %s: %w", a.FeeID, err)
		}
	}
	return rest, nil
}

// take returns what is left of rest after a part of it, which must be something.
func take(rest, part money.Amount) (money.Amount, error) {
	if !part.IsPositive() {
		return money.Amount{}, money.ErrNotPositive
	}
	left, err := rest.Sub(part)
	if err != nil {
		return money.Amount{}, err
	}
	if left.IsNegative() {
		return money.Amount{}, ErrOverAllocated
	}
	return left, nil
}
