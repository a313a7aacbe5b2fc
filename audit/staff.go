package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"

	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/history"
)

// deeds are the events of money that somebody does; the others follow from one of them in the same commit.
func deeds() []string {
	return []string{
		"fee.assessed", "fee.adjusted", "fee.waived", "fee.written_off", "fee.reduction_reversed", "fee.cancelled", "fee.credit_applied",
		"payment.captured", "payment.voided", "payment.reallocated", "credit.granted",
	}
}

// staff is who did what, how often and of how much: sum, mean and largest show who stands out, and for how many members it was, and how often for
// the one for whom it was most often, who gets more than others. Credits that a payment left are beside it.
func staff() Kind {
	return Kind{
		Name: "staff", Title: "Who did what", Period: true, Filters: []string{filterBy, filterType}, form: 2, fold: foldStaff,
		earlier: map[int]int{1: 8},
		Columns: []Column{
			{"actorKind", Text},
			{"actorId", Text},
			{"action", Text},
			{"currency", Text},
			{"count", Number},
			{"amount", Money},
			{"mean", Money},
			{"largest", Money},
			{"members", Number},
			{"repeats", Number}, // the most for one member
			{"repeatsFor", Text},
		},
	}
}

// deedGroup is one row of the report.
type deedGroup struct {
	actorKind, actorID, action string
	currency                   money.Currency
}

func (g deedGroup) compare(h deedGroup) int {
	return cmp.Or(cmp.Compare(g.actorKind, h.actorKind), cmp.Compare(g.actorID, h.actorID), cmp.Compare(g.action, h.action),
		cmp.Compare(g.currency.Code(), h.currency.Code()))
}

// repeats counts what somebody did for each member.
type repeats struct {
	group

	members map[[8]byte]int32 // by the beginning of the SHA-256 of their ids, which is less to remember
	most    int32
	forWhom string // who was the first to come to it
}

func (r *repeats) addFor(memberID string, a money.Amount) error {
	sum := sha256.Sum256([]byte(memberID))
	key := [8]byte(sum[:])
	r.members[key]++
	if n := r.members[key]; n > r.most {
		r.most, r.forWhom = n, memberID
	}
	return r.add(a)
}

func foldStaff(ctx context.Context, r Reader, p Params, t *table) error {
	types := deeds()
	if only := p.filter(filterType); only != "" {
		if !slices.Contains(types, only) {
			return badFilter(filterType, only, types)
		}
		types = []string{only}
	}
	by := p.filter(filterBy)
	groups := make(map[deedGroup]*repeats)
	want := func(eventType string) bool { return slices.Contains(types, eventType) }
	sealed := Reader{Log: r.Log, Catalog: r.Catalog, Keys: SealedKeys{}}
	err := sealed.eachPage(ctx, p.Tenant, 0, p.KnownAt, want, func(events []catalog.Event) error {
		events = slices.DeleteFunc(events, func(ev catalog.Event) bool {
			return !p.within(ev.EffectiveAt) || by != "" && ev.Meta.Actor.ID != by
		})
		ids := make([]eventstore.StreamID, len(events))
		for i, ev := range events {
			ids[i] = ev.Stream
		}
		begun, err := r.firsts(ctx, ids)
		if err != nil {
			return err
		}
		for _, ev := range events {
			a := *history.EntryOf(ev).Amount
			key := deedGroup{ev.Meta.Actor.Kind, ev.Meta.Actor.ID, ev.Type, a.Currency()}
			if groups[key] == nil {
				groups[key] = &repeats{members: make(map[[8]byte]int32)}
			}
			if err := groups[key].addFor(memberOf(begun[ev.Stream]), a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), deedGroup.compare) {
		g := groups[key]
		err := t.row(text(key.actorKind), text(key.actorID), text(key.action), text(key.currency.Code()), number(g.count), summed(g.sum), amount(g.mean()),
			amount(g.largest), number(int64(len(g.members))), number(int64(g.most)), text(g.forWhom))
		if err != nil {
			return err
		}
		if err := t.total(key.action, g.count, g.sum.Amount); err != nil {
			return err
		}
	}
	return nil
}

// mean is the sum by the count, to the nearest minor unit, halves away from zero.
func (g *group) mean() money.Amount {
	whole, rest := g.sum.Minor()/g.count, g.sum.Minor()%g.count
	switch {
	case 2*rest >= g.count:
		whole++
	case 2*rest <= -g.count:
		whole--
	}
	return money.New(whole, g.sum.Currency())
}
