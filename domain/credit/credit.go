// Package credit decides about the credits of one person: money held for them, in
// lots that each come from one source.
package credit

import (
	"errors"
	"fmt"
	"slices"

	"payledger/domain"
	"payledger/domain/money"
)

// Rejections. The rules that all amounts share are in domain/money, those that all
// streams share in domain.
var (
	// ErrNotFound refuses to spend, return or take back a credit that isn't there.
	ErrNotFound = errors.New("credit not found")
	// ErrExceedsCredit refuses an amount greater than what is left.
	ErrExceedsCredit = errors.New("amount exceeds the credit")
	// ErrSpent refuses to take back a credit that was spent, in part or whole.
	ErrSpent = errors.New("credit is spent")
	// ErrUnknownSource refuses a credit that doesn't come from one of the sources.
	ErrUnknownSource = errors.New("unknown source of a credit")
)

// Stream returns the name of the stream of a person's credits. Its subject is the person.
func Stream(userID string) string { return "credit-" + userID }

// Decider holds the rules of credits.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Grant:
		return grant(s, c)
	case Spend:
		return spend(s, c)
	case Return:
		return giveBack(s, c)
	case Reverse:
		return reverse(s, c)
	}
	return nil, fmt.Errorf("%w: credit %T", domain.ErrUnknownCommand, c)
}

func grant(s State, c Grant) ([]Event, error) {
	switch {
	case s.lot(c.CreditID) >= 0:
		return nil, nil
	case len(s.Lots) > 0 && c.At.Before(s.FirstEffective):
		return nil, domain.ErrBeforeFirstEvent
	case !c.Source.known():
		return nil, fmt.Errorf("%w: %q", ErrUnknownSource, c.Source)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	}
	return []Event{Granted{
		CreditID: c.CreditID, UserID: c.UserID, Amount: c.Amount, Source: c.Source, PaymentID: c.PaymentID,
		GrantedAt: c.At.UTC(), Reason: c.Reason, Note: c.Note,
	}}, nil
}

func spend(s State, c Spend) ([]Event, error) {
	i := s.lot(c.CreditID)
	switch {
	case i < 0:
		return nil, fmt.Errorf("%w: %q", ErrNotFound, c.CreditID)
	case s.spending(c.AllocationID) >= 0:
		return nil, nil
	case c.At.Before(s.FirstEffective):
		return nil, domain.ErrBeforeFirstEvent
	case c.Amount.Currency() != s.Lots[i].Remaining.Currency():
		return nil, fmt.Errorf("%w: credit in %s", money.ErrCurrencyMismatch, s.Lots[i].Remaining.Currency())
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	case c.Amount.Cmp(s.Lots[i].Remaining) > 0:
		return nil, fmt.Errorf("%w: %s", ErrExceedsCredit, s.Lots[i].Remaining)
	}
	return []Event{Spent{CreditID: c.CreditID, FeeID: c.FeeID, AllocationID: c.AllocationID, Amount: c.Amount}}, nil
}

func giveBack(s State, c Return) ([]Event, error) {
	i := s.spending(c.AllocationID)
	switch {
	case i < 0:
		return nil, fmt.Errorf("%w: nothing of allocation %q", ErrNotFound, c.AllocationID)
	case c.At.Before(s.FirstEffective):
		return nil, domain.ErrBeforeFirstEvent
	case c.Amount.Currency() != s.spendings[i].live.Currency():
		return nil, money.ErrCurrencyMismatch
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	case c.Amount.Cmp(s.spendings[i].live) > 0:
		return nil, fmt.Errorf("%w: %s was spent", ErrExceedsCredit, s.spendings[i].live)
	}
	return []Event{Returned{CreditID: s.spendings[i].creditID, AllocationID: c.AllocationID, Amount: c.Amount}}, nil
}

func reverse(s State, c Reverse) ([]Event, error) {
	i := s.lot(c.CreditID)
	switch {
	case i < 0:
		return nil, fmt.Errorf("%w: %q", ErrNotFound, c.CreditID)
	case s.Lots[i].Reversed:
		return nil, nil
	case c.At.Before(s.FirstEffective):
		return nil, domain.ErrBeforeFirstEvent
	case s.Lots[i].Remaining != s.Lots[i].Granted:
		return nil, fmt.Errorf("%w: %s is left of %s", ErrSpent, s.Lots[i].Remaining, s.Lots[i].Granted)
	}
	return []Event{Reversed{CreditID: c.CreditID, Amount: s.Lots[i].Granted, Cause: c.Cause}}, nil
}

// Part is what one lot gives of an amount.
type Part struct {
	CreditID string
	Amount   money.Amount
}

// Pick divides an amount among the lots of its currency, the one granted first
// before the others. Its errors are ErrExceedsCredit and money.ErrNotPositive.
func (s State) Pick(amount money.Amount) ([]Part, error) {
	if !amount.IsPositive() {
		return nil, money.ErrNotPositive
	}
	var parts []Part
	rest := amount
	for _, lot := range s.Lots {
		if lot.Remaining.Currency() != amount.Currency() {
			continue
		}
		if part := money.Min(rest, lot.Remaining); part.IsPositive() {
			parts, rest = append(parts, Part{lot.CreditID, part}), minus(rest, part)
		}
	}
	if rest.IsPositive() {
		return nil, fmt.Errorf("%w: %s", ErrExceedsCredit, minus(amount, rest))
	}
	return parts, nil
}

// Left returns what is left of all lots in a currency.
func (s State) Left(cur money.Currency) money.Amount {
	sum := money.Zero(cur)
	for _, lot := range s.Lots {
		if lot.Remaining.Currency() == cur {
			sum = plus(sum, lot.Remaining)
		}
	}
	return sum
}

// Lot returns a lot by its id.
func (s State) Lot(id string) (lot Lot, found bool) {
	if i := s.lot(id); i >= 0 {
		return s.Lots[i], true
	}
	return Lot{}, false
}

// lot returns where a lot stands, -1 for none.
func (s State) lot(id string) int {
	return slices.IndexFunc(s.Lots, func(l Lot) bool { return l.CreditID == id })
}

// spending returns where what an allocation has spent stands, -1 for nothing.
func (s State) spending(allocationID string) int {
	return slices.IndexFunc(s.spendings, func(sp spending) bool { return sp.allocationID == allocationID })
}
