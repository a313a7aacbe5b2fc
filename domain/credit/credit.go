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

// Source is where the money of a credit comes from.
type Source string

// SourceOverpayment is the rest of a payment that no fee took.
const SourceOverpayment Source = "overpayment"

// Event is a fact about the credits of a person.
//
//sumtype:decl
type Event interface{ isCreditEvent() }

// Granted (credit.granted) says that the person has a lot of money with the
// library from GrantedAt on.
type Granted struct {
	CreditID  string       `json:"creditId"`
	UserID    string       `json:"userId"`
	Amount    money.Amount `json:"amount"`
	Source    Source       `json:"source"`
	PaymentID string       `json:"paymentId"`
	GrantedAt time.Time    `json:"grantedAt"`
}

func (Granted) isCreditEvent() {}

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

// State is what decisions about the credits of a person need to know. It is an
// immutable value: Evolve never changes the lots of an older one.
type State struct {
	Lots           []Lot     // in the order of their granting
	FirstEffective time.Time // when the first event took effect
}

// Lot is one credit and what is left of it.
type Lot struct {
	CreditID  string
	Remaining money.Amount
}

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
	case c.Source != SourceOverpayment:
		return nil, fmt.Errorf("%w: %q", ErrUnknownSource, c.Source)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	}
	return []Event{Granted{
		CreditID: c.CreditID, UserID: c.UserID, Amount: c.Amount,
		Source: c.Source, PaymentID: c.PaymentID, GrantedAt: c.At.UTC(),
	}}, nil
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Granted:
		if len(s.Lots) == 0 {
			s.FirstEffective = e.GrantedAt
		}
		s.Lots = append(slices.Clone(s.Lots), Lot{CreditID: e.CreditID, Remaining: e.Amount})
	}
	return s
}
