// Package claim keeps ids that callers choose unique where no stream is named after
// them: whoever comes first begins the stream of the id.
package claim

import (
	"errors"
	"fmt"

	"payledger/domain"
)

// ErrTaken refuses an id that names something already.
var ErrTaken = errors.New("id is taken")

// Stream returns the name of the stream of an id of an object.
func Stream(object, id string) string { return "id-" + object + "-" + id }

// Event is a fact about an id.
//
//sumtype:decl
type Event interface{ isClaimEvent() }

// Claimed (id.claimed) says that a caller chose an id, and for what.
type Claimed struct {
	Object string `json:"object"` // such as feeEvent
	ID     string `json:"id"`
	Stream string `json:"stream"` // that tells of it
}

func (Claimed) isClaimEvent() {}

// Command asks for an id.
//
//sumtype:decl
type Command interface{ isClaimCommand() }

// Claim takes an id for something that a stream tells of.
type Claim struct{ Object, ID, Stream string }

func (Claim) isClaimCommand() {}

// State says whether the id is taken.
type State struct{ Taken bool }

// Decider holds the rule of ids.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  func(State, Event) State { return State{Taken: true} },
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Claim:
		if s.Taken {
			return nil, ErrTaken
		}
		return []Event{Claimed{Object: c.Object, ID: c.ID, Stream: c.Stream}}, nil
	}
	return nil, fmt.Errorf("%w: claim %T", domain.ErrUnknownCommand, c)
}
