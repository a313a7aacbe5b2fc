// Package credit decides about the credits of one person: money held for them, in
// lots that each come from one source.
package credit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"payledger/domain"
	"payledger/domain/money"
)

// ErrUnknownSource refuses a credit that doesn't come from one of the sources. The
// rules that all amounts share are in domain/money, those that all streams share
// in domain.
var ErrUnknownSource = errors.New("unknown source of a credit")

// Command asks for a change of the credits of a person.
//
//sumtype:decl
type Command interface{ isCreditCommand() }

// Grant adds a lot at the time At.
type Grant struct {
	CreditID, UserID string
	Amount           money.Amount
	Source           Source
	PaymentID        string
	At               time.Time
}

func (Grant) isCreditCommand() {}

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
	}
	return nil, fmt.Errorf("%w: credit %T", domain.ErrUnknownCommand, c)
}

func grant(s State, c Grant) ([]Event, error) {
	switch {
	case slices.ContainsFunc(s.Lots, func(l Lot) bool { return l.CreditID == c.CreditID }):
		return nil, nil
	case len(s.Lots) > 0 && c.At.Before(s.FirstEffective):
		return nil, domain.ErrBeforeFirstEvent
	case !c.Source.known():
		return nil, fmt.Errorf("%w: %q", ErrUnknownSource, c.Source)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	}
	return []Event{Granted{
		CreditID: c.CreditID, UserID: c.UserID, Amount: c.Amount,
		Source: c.Source, PaymentID: c.PaymentID, GrantedAt: c.At.UTC(),
	}}, nil
}
