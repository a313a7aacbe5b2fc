package audit

import (
	"time"

	"payledger/domain/credit"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

// lot is a credit, and what is left of it. It is summed more leniently than the rows are folded: events that count as of a date may
// spend more of a lot than there was, where one that gave it back counts later.
type lot struct {
	granted credit.Granted
	left    int64 // minor units
}

// lots are the credits of a person, in the order of their granting.
type lots struct {
	list []*lot
	byID map[string]*lot
}

// lotsAsOf sums the events of a person's credits that had taken effect at an instant.
func lotsAsOf(events []catalog.Event, at time.Time) *lots {
	l := &lots{byID: make(map[string]*lot)}
	for _, ev := range events {
		if !ev.EffectiveAt.After(at) {
			l.apply(ev)
		}
	}
	return l
}

func (l *lots) apply(ev catalog.Event) {
	switch d := ev.Data.(type) {
	case credit.Granted:
		made := &lot{granted: d, left: d.Amount.Minor()}
		l.list, l.byID[d.CreditID] = append(l.list, made), made
	case credit.Spent:
		l.move(d.CreditID, -d.Amount.Minor())
	case credit.Returned:
		l.move(d.CreditID, d.Amount.Minor())
	case credit.Reversed:
		l.move(d.CreditID, -d.Amount.Minor())
	}
}

func (l *lots) move(id string, by int64) {
	if lot := l.byID[id]; lot != nil {
		lot.left += by
	}
}

// remaining is what is left of a lot.
func (l *lot) remaining() money.Amount { return money.New(l.left, l.granted.Amount.Currency()) }

// left is what is left of a lot by its id, in minor units; 0 for none.
func (l *lots) left(id string) int64 {
	if lot := l.byID[id]; lot != nil {
		return lot.left
	}
	return 0
}
