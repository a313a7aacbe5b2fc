package books

import (
	"fmt"
	"math/big"

	"payledger/domain/books"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/digest"
)

// Replay folds a log in memory into what the books should hold. Beside it, it folds the rows of fees and credits as the tables do,
// and holds the control accounts against them at every position. Of streams it keeps those that have begun and not ended. The zero value is at
// the beginning.
type Replay struct {
	origins   map[eventstore.StreamID]map[string]books.Origin // by their keys, which only the same stream asks for
	turnovers map[turnoverKey]*turnover
	check     Check
	sum       digest.Sum

	states   map[eventstore.StreamID]any
	controls map[controlKey]*control
}

type controlKey struct {
	tenant   string
	currency money.Currency
}

// control is what control accounts should stand at, and do, in minor units. It may wrap: all sides do alike.
type control struct {
	owed, receivables, uncollected int64
	kept, credits                  int64
}

// Apply posts the next event. Errors: ErrOutOfBalance, books.ErrUnknownOrigin, and those of readmodels.Fold.
func (r *Replay) Apply(ev catalog.Event) error {
	if r.origins == nil {
		*r = Replay{
			origins: make(map[eventstore.StreamID]map[string]books.Origin), turnovers: make(map[turnoverKey]*turnover),
			states: make(map[eventstore.StreamID]any), controls: make(map[controlKey]*control),
		}
	}
	tenant := ev.Stream.Tenant
	if e, ok := ev.Data.(policy.ProfileSet); ok {
		r.sum.Add(profileForm(nil, ProfileSet{Tenant: tenant, Position: ev.Position, Profile: e.Profile}))
	}
	posting, posts, err := books.Post(ev.Stream.Name, ev.Data, func(key string) (books.Origin, bool) {
		o, found := r.origins[ev.Stream][key]
		return o, found
	})
	if err != nil {
		return fmt.Errorf("post event %s: %w", ev.ID, err)
	}
	if key, o, begins := books.Begins(ev.Stream.Name, ev.Data); begins {
		if r.origins[ev.Stream] == nil {
			r.origins[ev.Stream] = make(map[string]books.Origin, 1)
		}
		r.origins[ev.Stream][key] = o
		r.sum.Add(originForm(nil, Origin{Tenant: tenant, Key: key, Origin: o}))
	}
	if !posts {
		if err := r.check.Add(&ev, nil); err != nil {
			return err
		}
		return r.control(ev, nil)
	}
	entry := Entry{Tenant: tenant, Position: ev.Position, EffectiveAt: ev.EffectiveAt, Posting: posting}
	r.sum.Add(entryForm(nil, entry))
	key := entry.turnoverKey()
	if r.turnovers[key] == nil {
		r.turnovers[key] = &turnover{minor: new(big.Int)}
	}
	r.turnovers[key].add(posting.Amount.Minor())
	if err := r.check.Add(&ev, &posting); err != nil {
		return err
	}
	return r.control(ev, &posting)
}

// End lets go of a stream of which no later event comes.
func (r *Replay) End(stream eventstore.StreamID) {
	delete(r.origins, stream)
	delete(r.states, stream)
}

// control demands I5 behind an event: 1100 is what all fees owe, 2100 what is left of all credits, by the fold that makes their rows.
func (r *Replay) control(ev catalog.Event, p *books.Posting) error {
	before := r.states[ev.Stream]
	after, _, err := readmodels.Fold(before, ev)
	if err != nil {
		return err
	}
	if after != nil {
		r.states[ev.Stream] = after
	}
	if err := sound(&ev, after); err != nil || p == nil { // without a posting neither moves, as Check has found
		return err
	}
	key := controlKey{ev.Stream.Tenant, p.Amount.Currency()}
	c := r.controls[key]
	if c == nil {
		c = new(control)
		r.controls[key] = c
	}
	c.owed += owedOn(after) - owedOn(before)
	c.kept += leftOf(after, key.currency) - leftOf(before, key.currency)
	for _, line := range p.Lines(policy.ProfileCash) {
		switch minor := line.Debit - line.Credit; line.Account {
		case books.Receivables:
			c.receivables += minor
		case books.Uncollected:
			c.uncollected -= minor
		case books.PatronCredits:
			c.credits -= minor
		default:
		}
	}
	switch {
	case c.receivables != c.owed:
		return outOfBalance(&ev, "I5", "fees owe %d, account %d stands at %d", c.owed, books.Receivables, c.receivables)
	case c.uncollected != c.owed:
		return outOfBalance(&ev, "I5", "fees owe %d, account %d stands at %d", c.owed, books.Uncollected, c.uncollected)
	case c.credits != c.kept:
		return outOfBalance(&ev, "I5", "credits are %d, account %d stands at %d", c.kept, books.PatronCredits, c.credits)
	}
	return nil
}

// sound demands of a fee that it owes nothing or more (I6), and nothing once it is cancelled (I8). The fold demands the like of credits.
func sound(ev *catalog.Event, state any) error {
	s, ok := state.(*readmodels.FeeState)
	if !ok {
		return nil
	}
	owed := s.Fee.Outstanding()
	switch {
	case owed.IsNegative():
		return outOfBalance(ev, "I6", "the fee owes %s", owed)
	case s.Fee.Cancelled && !owed.IsZero():
		return outOfBalance(ev, "I8", "the fee is cancelled and owes %s", owed)
	}
	return nil
}

func owedOn(state any) int64 {
	if s, ok := state.(*readmodels.FeeState); ok && s != nil {
		return s.Fee.Outstanding().Minor()
	}
	return 0
}

func leftOf(state any, cur money.Currency) int64 {
	s, ok := state.(*readmodels.Credits)
	if !ok || s == nil {
		return 0
	}
	sum := int64(0)
	for i := range s.Lots {
		if lot := &s.Lots[i]; lot.Remaining.Currency() == cur {
			sum += lot.Remaining.Minor()
		}
	}
	return sum
}

// Sum returns the digest of the rows so far.
func (r *Replay) Sum() digest.Sum {
	sum := r.sum
	for key, t := range r.turnovers {
		sum.Add(turnoverForm(nil, key, t))
	}
	return sum
}
