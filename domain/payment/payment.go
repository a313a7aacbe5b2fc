// Package payment decides about one payment: money taken at once for any number of
// fees of a person. All of it has a target: what no fee takes becomes a credit.
package payment

import (
	"errors"
	"fmt"
	"time"

	"payledger/domain"
	"payledger/domain/money"
)

// Rejections. The rules that all amounts share are in domain/money.
var (
	// ErrExists refuses to record a payment under an id in use.
	ErrExists = errors.New("payment exists already")
	// ErrUnknownTender refuses a payment that isn't by one of the tenders.
	ErrUnknownTender = errors.New("unknown tender")
	// ErrDuplicateAllocation refuses two allocations under one id.
	ErrDuplicateAllocation = errors.New("two allocations with one id")
	// ErrDuplicateFee refuses two allocations to one fee.
	ErrDuplicateFee = errors.New("two allocations to one fee")
	// ErrOverAllocated refuses allocations of more money than was paid.
	ErrOverAllocated = errors.New("allocations exceed the payment")
	// ErrNoTarget refuses money that has neither a fee nor a credit to go to.
	ErrNoTarget = errors.New("money without a fee or a credit to go to")
)

// Command asks for a change of a payment.
//
//sumtype:decl
type Command interface{ isPaymentCommand() }

// Record captures money that was taken at At. What the allocations leave over
// becomes the credit CreditID, which may be empty if nothing can be left over.
type Record struct {
	PaymentID, UserID string
	Tender            Tender
	Amount            money.Amount
	HandledBy         string
	Allocations       []Allocation
	CreditID, Note    string
	At                time.Time
}

func (Record) isPaymentCommand() {}

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
	}
	return nil, fmt.Errorf("%w: payment %T", domain.ErrUnknownCommand, c)
}

func record(s State, c Record) ([]Event, error) {
	switch {
	case s.Exists():
		return nil, ErrExists
	case !c.Tender.known():
		return nil, fmt.Errorf("%w: %q", ErrUnknownTender, c.Tender)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	}
	rest, err := allot(c.Amount, c.Allocations)
	if err != nil {
		return nil, err
	}
	switch {
	case rest.IsZero():
		c.CreditID = ""
	case c.CreditID == "":
		return nil, fmt.Errorf("%w: %s", ErrNoTarget, rest)
	}
	return []Event{Captured{
		PaymentID: c.PaymentID, UserID: c.UserID, Tender: c.Tender, Amount: c.Amount, HandledBy: c.HandledBy,
		Allocations: append([]Allocation{}, c.Allocations...), // a copy, never null in JSON
		CreditID:    c.CreditID, Credit: rest, Note: c.Note,
	}}, nil
}

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
