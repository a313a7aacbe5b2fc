// Package gateway decides about records of payments at a gateway, kept for front ends
// that tell of them. They move no money.
package gateway

import (
	"errors"
	"fmt"

	"payledger/domain"
)

// Rejections.
var (
	// ErrExists refuses a record under an id in use.
	ErrExists = errors.New("gateway payment exists already")
	// ErrNotFound refuses to change a record that isn't there, or is deleted.
	ErrNotFound = errors.New("gateway payment not found")
)

// Stream returns the name of the stream of a record. Its subject is the owner.
func Stream(id string) string { return "gatewaypayment-" + id }

// Command asks for a change of a record.
//
//sumtype:decl
type Command interface{ isGatewayCommand() }

// Record keeps what somebody tells of a payment.
type Record struct {
	ID, OwnerID, OrderID                                 string
	PaymentID, PaymentStatus, StatusLiteral, RedirectURL string
}

// Update replaces what was told. What is nil stays as it is.
type Update struct {
	PaymentID, PaymentStatus, StatusLiteral, RedirectURL *string
}

// Delete ends the showing of a record.
type Delete struct{}

func (Record) isGatewayCommand() {}
func (Update) isGatewayCommand() {}
func (Delete) isGatewayCommand() {}

// State is what decisions about a record need to know.
type State struct {
	Exists, Deleted bool
	ID, OwnerID     string
	told            Updated
}

// Decider holds the rules of records.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Record:
		if s.Exists {
			return nil, ErrExists
		}
		return []Event{Recorded{
			ID: c.ID, OwnerID: c.OwnerID, OrderID: c.OrderID,
			PaymentID: c.PaymentID, PaymentStatus: c.PaymentStatus, StatusLiteral: c.StatusLiteral, RedirectURL: c.RedirectURL,
		}}, nil
	case Update:
		return update(s, c)
	case Delete:
		if !s.Exists || s.Deleted {
			return nil, ErrNotFound
		}
		return []Event{Deleted{ID: s.ID}}, nil
	}
	return nil, fmt.Errorf("%w: gateway %T", domain.ErrUnknownCommand, c)
}

func update(s State, c Update) ([]Event, error) {
	if !s.Exists || s.Deleted {
		return nil, ErrNotFound
	}
	told := Updated{
		PaymentID: or(c.PaymentID, s.told.PaymentID), PaymentStatus: or(c.PaymentStatus, s.told.PaymentStatus),
		StatusLiteral: or(c.StatusLiteral, s.told.StatusLiteral), RedirectURL: or(c.RedirectURL, s.told.RedirectURL),
	}
	if told == s.told {
		return nil, nil
	}
	return []Event{told}, nil
}

func or(given *string, kept string) string {
	if given == nil {
		return kept
	}
	return *given
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Recorded:
		return State{Exists: true, ID: e.ID, OwnerID: e.OwnerID, told: Updated{
			PaymentID: e.PaymentID, PaymentStatus: e.PaymentStatus, StatusLiteral: e.StatusLiteral, RedirectURL: e.RedirectURL,
		}}
	case Updated:
		s.told = e
	case Deleted:
		s.Deleted = true
	}
	return s
}
