// Package person decides about the erasure of a person: what was written about them can't
// be read any more, what they owed and paid stays, under an id alone.
package person

import (
	"errors"
	"fmt"
	"strings"

	"payledger/domain"
)

// Rejections.
var (
	// ErrMoneyOpen refuses to erase a person while money is owed by them, held for them or
	// on its way.
	ErrMoneyOpen = errors.New("money is open")
	// ErrBadReason refuses a reason that isn't a code: 1 to MaxReason letters, digits, - and _.
	ErrBadReason = errors.New("reason must be a code")
	// ErrNotErased refuses to certify an erasure that didn't happen.
	ErrNotErased = errors.New("person is not erased")
)

// MaxReason is how long a reason may be, in bytes. A code can't say much about anybody.
const MaxReason = 64

// Stream returns the name of the stream of a person.
func Stream(userID string) string { return "person-" + userID }

// Event is a fact about a person. It holds no text about them.
//
//sumtype:decl
type Event interface{ isPersonEvent() }

// Erased (person.erased) says that the person's keys were destroyed, in the commit of
// this event: of what was sealed before it, nothing can be opened.
type Erased struct {
	UserID string `json:"userId"`
	Reason string `json:"reason"` // code
}

// Certified (person.erasure_certified) says where the erasure was followed to, and
// what bounds the rest.
type Certified struct {
	UserID      string       `json:"userId"`
	ErasedAt    int          `json:"erasedAt"`    // position of person.erased
	Keys        int          `json:"keys"`        // that were destroyed, over all erasures of the person
	Streams     int          `json:"streams"`     // about the person
	Texts       int          `json:"texts"`       // in them that can't be opened any more
	Answers     int          `json:"answers"`     // stored ones that show the person's rows, without texts now
	RouteEvents int          `json:"routeEvents"` // the same
	Projections []Projection `json:"projections"` // that have applied the erasure
	Topics      []Topic      `json:"topics"`      // that carry texts in the clear
	AnswerDays  int          `json:"answerDays"`  // for how long answers and route events are kept
	BackupDays  int          `json:"backupDays"`  // for how long backups of the vault are kept; 0: nobody said
}

// Projection is one that has applied the erasure.
type Projection struct {
	Name     string `json:"name"`
	Position int    `json:"position"` // how far it had come
}

// Topic is what becomes of the texts in a topic.
type Topic struct {
	Topic       string `json:"topic"`
	RetentionMS int    `json:"retentionMs"` // after which messages are gone; -1: never by age
	Compacted   bool   `json:"compacted"`   // of each key the last message stays
	Tombstones  int    `json:"tombstones"`  // that were sent there in the place of the person's rows
}

func (Erased) isPersonEvent()    {}
func (Certified) isPersonEvent() {}

// Command asks for a change.
//
//sumtype:decl
type Command interface{ isPersonCommand() }

// Erase erases a person. A person who was erased is erased once more only if Again
// says that something came since.
type Erase struct {
	UserID string
	Reason string
	Open   []string // what money is open, in words
	Again  bool
}

// Certify keeps the certificate of the last erasure, once.
type Certify struct{ Certificate Certified }

func (Erase) isPersonCommand()   {}
func (Certify) isPersonCommand() {}

// State is what is known of a person.
type State struct {
	Erased      bool
	Certificate *Certified // of the last erasure; nil until it is certified
}

// Decider holds the rules.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Erase:
		return erase(s, c)
	case Certify:
		if !s.Erased {
			return nil, ErrNotErased
		}
		if s.Certificate != nil {
			return nil, nil
		}
		return []Event{c.Certificate}, nil
	}
	return nil, fmt.Errorf("%w: person %T", domain.ErrUnknownCommand, c)
}

func erase(s State, c Erase) ([]Event, error) {
	if !isCode(c.Reason) {
		return nil, ErrBadReason
	}
	if s.Erased && !c.Again {
		return nil, nil
	}
	if len(c.Open) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrMoneyOpen, strings.Join(c.Open, "; "))
	}
	return []Event{Erased{UserID: c.UserID, Reason: c.Reason}}, nil
}

func isCode(text string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return text != "" && len(text) <= MaxReason && strings.Trim(text, allowed) == ""
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Erased:
		return State{Erased: true}
	case Certified:
		s.Certificate = &e
	}
	return s
}
