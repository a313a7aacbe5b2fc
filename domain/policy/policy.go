// Package policy decides about the rules that a tenant sets for itself: the reason
// codes of its commands, and how its books are read.
package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"payledger/domain"
)

// Rejections.
var (
	// ErrUnknownKind refuses codes for what isn't a kind of command.
	ErrUnknownKind = errors.New("unknown kind of reason")
	// ErrBadCodes refuses a list without codes, or with one that is empty, longer
	// than MaxCode bytes or given twice.
	ErrBadCodes = errors.New("bad list of reason codes")
	// ErrUnknownReason refuses a command for a reason that the tenant doesn't have.
	ErrUnknownReason = errors.New("unknown reason code")
	// ErrUnknownProfile refuses books in what isn't one of the profiles.
	ErrUnknownProfile = errors.New("unknown profile of the books")
)

// MaxCode is how long a reason code may be, in bytes.
const MaxCode = 64

// Stream is the name of the stream of a tenant's reason codes. It is about no person.
const Stream = "policy-reasons"

// BooksStream is the name of the stream of a tenant's books. It is about no person.
const BooksStream = "policy-books"

// Profile says when books call a fee revenue.
type Profile string

// The profiles.
const (
	ProfileAccrual Profile = "accrual" // once it is charged
	ProfileCash    Profile = "cash"    // once it is paid
)

// Profiles returns all profiles, the one that holds until a tenant sets its own first.
func Profiles() []Profile { return []Profile{ProfileAccrual, ProfileCash} }

// Kind says which command a list of reason codes is for.
type Kind string

// The kinds.
const (
	KindWaive      Kind = "waive"
	KindWriteOff   Kind = "writeOff"
	KindAdjust     Kind = "adjust"
	KindReverse    Kind = "reverse" // of a waiver or write-off
	KindVoid       Kind = "void"
	KindReallocate Kind = "reallocate"
	KindGrant      Kind = "grant" // of a credit
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{KindWaive, KindWriteOff, KindAdjust, KindReverse, KindVoid, KindReallocate, KindGrant}
}

// Defaults returns the codes of a kind that hold until a tenant sets its own; none
// for what isn't a kind.
func Defaults(kind Kind) []string {
	switch kind {
	case KindWaive:
		return []string{"goodwill", "hardship", "firstTime", "amnesty", "itemReturned", "staffError", "systemError", "other"}
	case KindWriteOff:
		return []string{"uncollectable", "statuteBarred", "smallBalance", "deceased", "insolvent", "other"}
	case KindAdjust:
		return []string{"priceCorrection", "backdatedReturn", "partialReturn", "damageReassessed", "staffError", "systemError", "other"}
	case KindReverse:
		return []string{"staffError", "wrongFee", "conditionsNotMet", "other"}
	case KindVoid:
		return []string{"keyingError", "wrongPatron", "wrongAmount", "wrongTender", "bouncedCheck", "duplicate", "other"}
	case KindReallocate:
		return []string{"wrongFee", "patronRequest", "staffError", "other"}
	case KindGrant:
		return []string{"goodwill", "compensation", "correction", "other"}
	}
	return nil
}

// Command asks for a change of the rules.
//
//sumtype:decl
type Command interface{ isPolicyCommand() }

// SetReasons replaces the codes of a kind.
type SetReasons struct {
	Kind  Kind
	Codes []string
}

// SetProfile chooses how the books of the tenant are read.
type SetProfile struct{ Profile Profile }

func (SetReasons) isPolicyCommand() {}
func (SetProfile) isPolicyCommand() {}

// State is the rules of a tenant. It is an immutable value.
type State struct {
	codes   map[Kind][]string
	profile Profile
}

// Profile returns the profile of the books: the tenant's, else accrual.
func (s State) Profile() Profile { return cmp.Or(s.profile, Profiles()[0]) }

// Codes returns the reason codes of a kind: the tenant's, else the default ones.
func (s State) Codes(kind Kind) []string {
	if codes, set := s.codes[kind]; set {
		return slices.Clone(codes)
	}
	return Defaults(kind)
}

// Check refuses a reason that isn't one of the kind's codes, with ErrUnknownReason.
func (s State) Check(kind Kind, reason string) error {
	if !slices.Contains(s.Codes(kind), reason) {
		return fmt.Errorf("%w: %q to %s", ErrUnknownReason, reason, kind)
	}
	return nil
}

// Decider holds the rules of rules.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case SetReasons:
		return setReasons(s, c)
	case SetProfile:
		return setProfile(s, c)
	}
	return nil, fmt.Errorf("%w: policy %T", domain.ErrUnknownCommand, c)
}

func setReasons(s State, c SetReasons) ([]Event, error) {
	if Defaults(c.Kind) == nil {
		return nil, fmt.Errorf("%w: %q", ErrUnknownKind, c.Kind)
	}
	if len(c.Codes) == 0 {
		return nil, fmt.Errorf("%w: none", ErrBadCodes)
	}
	for i, code := range c.Codes {
		if code == "" || len(code) > MaxCode || slices.Contains(c.Codes[:i], code) {
			return nil, fmt.Errorf("%w: %q", ErrBadCodes, code)
		}
	}
	if slices.Equal(s.Codes(c.Kind), c.Codes) {
		return nil, nil
	}
	return []Event{ReasonsSet{Kind: c.Kind, Codes: slices.Clone(c.Codes)}}, nil
}

func setProfile(s State, c SetProfile) ([]Event, error) {
	switch {
	case !slices.Contains(Profiles(), c.Profile):
		return nil, fmt.Errorf("%w: %q", ErrUnknownProfile, c.Profile)
	case s.Profile() == c.Profile:
		return nil, nil
	}
	return []Event{ProfileSet{Profile: c.Profile}}, nil
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case ReasonsSet:
		codes := maps.Clone(s.codes)
		if codes == nil {
			codes = make(map[Kind][]string, 1)
		}
		codes[e.Kind] = slices.Clone(e.Codes)
		s.codes = codes
	case ProfileSet:
		s.profile = e.Profile
	}
	return s
}
