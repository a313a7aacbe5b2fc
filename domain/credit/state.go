package credit

import (
	"slices"
	"time"

	"payledger/domain/money"
)

// State is what decisions about the credits of a person need to know. It is an
// immutable value: Evolve never changes the slices of an older one.
type State struct {
	UserID         string
	Lots           []Lot     // in the order of their granting
	FirstEffective time.Time // when the first event took effect

	spendings []spending
}

// Lot is one credit and what is left of it.
type Lot struct {
	CreditID  string
	Granted   money.Amount
	Remaining money.Amount
	Reversed  bool
}

// spending is what an allocation has of a lot: nothing once all was returned.
type spending struct {
	allocationID, creditID string
	live                   money.Amount
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Granted:
		if len(s.Lots) == 0 {
			s.UserID, s.FirstEffective = e.UserID, e.GrantedAt
		}
		s.Lots = append(slices.Clone(s.Lots), Lot{CreditID: e.CreditID, Granted: e.Amount, Remaining: e.Amount})
	case Spent:
		s.spendings = append(slices.Clone(s.spendings), spending{e.AllocationID, e.CreditID, e.Amount})
		return s.change(e.CreditID, func(l *Lot) { l.Remaining = minus(l.Remaining, e.Amount) })
	case Returned:
		s.spendings = slices.Clone(s.spendings)
		for i, sp := range s.spendings {
			if sp.allocationID == e.AllocationID {
				s.spendings[i].live = minus(sp.live, e.Amount)
			}
		}
		return s.change(e.CreditID, func(l *Lot) { l.Remaining = plus(l.Remaining, e.Amount) })
	case Reversed:
		return s.change(e.CreditID, func(l *Lot) { l.Remaining, l.Reversed = minus(l.Remaining, e.Amount), true })
	}
	return s
}

func (s State) change(id string, do func(*Lot)) State {
	s.Lots = slices.Clone(s.Lots)
	for i := range s.Lots {
		if s.Lots[i].CreditID == id {
			do(&s.Lots[i])
		}
	}
	return s
}

// plus and minus trust what was decided: a lot has between nothing and all that
// was granted.
func plus(a, b money.Amount) money.Amount  { return money.New(a.Minor()+b.Minor(), a.Currency()) }
func minus(a, b money.Amount) money.Amount { return money.New(a.Minor()-b.Minor(), a.Currency()) }
