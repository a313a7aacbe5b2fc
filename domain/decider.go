// Package domain holds the pure rules of the ledger: one decider per kind of
// stream, in a package each, over the value types of domain/money.
//
// Nothing here reads a clock, makes an id, does input or output or keeps state:
// the time, ids and amounts of a decision come inside its command.
package domain

import "errors"

var (
	// ErrBeforeFirstEvent refuses a command that takes effect earlier than the
	// first event of the stream it would change.
	ErrBeforeFirstEvent = errors.New("earlier than the first event of the stream")
	// ErrUnknownCommand refuses a value that is no command of the decider, such as nil.
	ErrUnknownCommand = errors.New("unknown command")
)

// Decider is the rules of one kind of stream over commands C, events E and state S.
// Its functions are total and deterministic, and S is an immutable value: one
// state may be shared by any number of goroutines.
type Decider[C, E, S any] struct {
	// Initial returns the state of a stream without events.
	Initial func() S
	// Decide returns the events that the command causes: none if what it asks for
	// is already so, an error if it isn't allowed.
	Decide func(S, C) ([]E, error)
	// Evolve returns the state after an event. It never fails, never validates and
	// leaves the given state as it was.
	Evolve func(S, E) S
}

// Fold returns the state after the given events.
func (d Decider[C, E, S]) Fold(s S, events ...E) S {
	for _, e := range events {
		s = d.Evolve(s, e)
	}
	return s
}
