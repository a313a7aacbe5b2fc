package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

const day = 24 * time.Hour

// buckets are the ages of debts, each up to so many whole days; what is older is in the last.
var buckets = [...]struct {
	name string
	days time.Duration
}{{"current", 0}, {"days1to30", 30}, {"days31to60", 60}, {"days61to90", 90}, {"days91to180", 180}, {"days181to365", 365}, {"over365", 0}}

// aging is what is owed, by the age of the debt in whole days since it was assessed. What payments on their way hold is part of
// it and shown apart.
func aging() Kind {
	columns := []Column{{"feeReason", Text}, {"currency", Text}, {"fees", Number}}
	for _, b := range buckets {
		columns = append(columns, Column{b.name, Money})
	}
	return Kind{
		Name: "aging", Title: "Receivables by age", form: 2, fold: foldAging, also: []string{"fee.payment_reserved", "fee.reservation_released"},
		Columns: append(columns, Column{"total", Money}, Column{"inPayment", Money}),
	}
}

type agingGroup struct {
	reason   string
	currency money.Currency
}

func (g agingGroup) compare(h agingGroup) int {
	return cmp.Or(cmp.Compare(g.reason, h.reason), cmp.Compare(g.currency.Code(), h.currency.Code()))
}

type aged struct {
	fees      int64
	buckets   [len(buckets)]money.Total
	total     money.Total
	inPayment money.Total
}

func foldAging(ctx context.Context, r Reader, p Params, t *table) error {
	groups := make(map[agingGroup]*aged)
	err := r.eachStream(ctx, p.Tenant, fee.Stream(""), p.KnownAt, func(events []catalog.Event) error {
		d, ok, err := debtAsOf(events, p.AsOf)
		if err != nil || !ok || d.owed.IsZero() {
			return err
		}
		key := agingGroup{feeReason(events), d.owed.Currency()}
		if groups[key] == nil {
			groups[key] = newAged(key.currency)
		}
		return groups[key].add(d, p.AsOf.Sub(events[0].EffectiveAt))
	})
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), agingGroup.compare) {
		if err := agingRow(t, key, groups[key]); err != nil {
			return err
		}
	}
	return nil
}

func newAged(cur money.Currency) *aged {
	g := &aged{total: zero(cur), inPayment: zero(cur)}
	for i := range g.buckets {
		g.buckets[i] = zero(cur)
	}
	return g
}

func (g *aged) add(d debt, age time.Duration) error {
	g.fees++
	at := bucketOf(age)
	var err error
	if g.buckets[at], err = g.buckets[at].Add(d.owed.Amount); err != nil {
		return err
	}
	if g.total, err = g.total.Add(d.owed.Amount); err != nil {
		return err
	}
	g.inPayment, err = g.inPayment.Add(d.reserved.Amount)
	return err
}

func bucketOf(age time.Duration) int {
	days := age / day
	for i, b := range buckets[:len(buckets)-1] {
		if days <= b.days {
			return i
		}
	}
	return len(buckets) - 1
}

func agingRow(t *table, key agingGroup, g *aged) error {
	cells := []Value{text(key.reason), text(key.currency.Code()), number(g.fees)}
	for i, b := range g.buckets {
		cells = append(cells, summed(b))
		if err := t.total(buckets[i].name, 0, b.Amount); err != nil {
			return err
		}
	}
	if err := t.total("owed", g.fees, g.total.Amount); err != nil {
		return err
	}
	return t.row(append(cells, summed(g.total), summed(g.inPayment))...)
}

// debt is what is owed on a fee, and what of it payments on their way hold. Both are sums of what had taken effect by then, so that all
// debts together are account 1100, whatever the bounds; a sum may be less than zero where an event that counts later was taken back earlier.
type debt struct{ owed, reserved money.Total }

// debtAsOf sums the events of a fee that had taken effect at an instant; ok is false for one that wasn't assessed by then.
func debtAsOf(events []catalog.Event, at time.Time) (d debt, ok bool, err error) {
	first, ok := events[0].Data.(fee.Assessed)
	if !ok || events[0].EffectiveAt.After(at) {
		return d, false, nil
	}
	none := zero(first.Amount.Currency())
	d = debt{none, none}
	for _, ev := range events {
		if ev.EffectiveAt.After(at) {
			continue
		}
		if err := d.add(ev); err != nil {
			return d, true, err
		}
	}
	return d, true, nil
}

func (d *debt) add(ev catalog.Event) (err error) {
	switch e := ev.Data.(type) {
	case fee.PaymentReserved:
		d.reserved, err = d.reserved.Add(e.Amount)
	case fee.ReservationReleased:
		d.reserved, err = d.reserved.Sub(e.Amount)
	case fee.Event:
		if moves := fee.Moves(e); !moves.IsZero() {
			d.owed, err = d.owed.Add(moves)
		}
	}
	return err
}
