package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"payledger/domain/money"
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

// staff is who did what, how often and of how much: sum, mean and largest show who stands out. Credits that a payment left are beside it.
func staff() Kind {
	return Kind{
		Name: "staff", Title: "Who did what", Period: true, Filters: []string{filterBy, filterType}, form: 1, fold: foldStaff,
		Columns: []Column{
			{"actorKind", Text},
			{"actorId", Text},
			{"action", Text},
			{"currency", Text},
			{"count", Number},
			{"amount", Money},
			{"mean", Money},
			{"largest", Money},
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

func foldStaff(ctx context.Context, r Reader, p Params, t *table) error {
	types := deeds()
	if only := p.filter(filterType); only != "" {
		if !slices.Contains(types, only) {
			return badFilter(filterType, only, types)
		}
		types = []string{only}
	}
	by := p.filter(filterBy)
	groups := make(map[deedGroup]*group)
	want := func(eventType string) bool { return slices.Contains(types, eventType) }
	sealed := Reader{Log: r.Log, Catalog: r.Catalog, Keys: SealedKeys{}}
	err := sealed.eachPage(ctx, p.Tenant, 0, p.KnownAt, want, func(events []catalog.Event) error {
		for _, ev := range events {
			actor := ev.Meta.Actor
			if !p.within(ev.EffectiveAt) || by != "" && actor.ID != by {
				continue
			}
			a := *history.EntryOf(ev).Amount
			key := deedGroup{actor.Kind, actor.ID, ev.Type, a.Currency()}
			if groups[key] == nil {
				groups[key] = &group{}
			}
			if err := groups[key].add(a); err != nil {
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
		err := t.row(text(key.actorKind), text(key.actorID), text(key.action), text(key.currency.Code()), number(g.count), amount(g.sum), amount(g.mean()),
			amount(g.largest))
		if err != nil {
			return err
		}
		if err := t.total(key.action, g.count, g.sum); err != nil {
			return err
		}
	}
	return nil
}

// mean is the sum by the count, to the nearest minor unit, halves away from zero.
func (g *group) mean() money.Amount {
	sum, half := g.sum.Minor(), g.count/2
	if sum < 0 {
		half = -half
	}
	return money.New((sum+half)/g.count, g.sum.Currency())
}
