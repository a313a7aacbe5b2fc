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
	"payledger/readmodels"
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
		Name: "aging", Title: "Receivables by age", form: 1, fold: foldAging,
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
	buckets   [len(buckets)]money.Amount
	total     money.Amount
	inPayment money.Amount
}

func foldAging(ctx context.Context, r Reader, p Params, t *table) error {
	groups := make(map[agingGroup]*aged)
	err := r.eachStream(ctx, p.Tenant, fee.Stream(""), p.KnownAt, func(events []catalog.Event) error {
		row, err := feeAsOf(events, p.AsOf)
		if err != nil || row == nil {
			return err
		}
		owed := owedOn(row)
		if owed.IsZero() {
			return nil
		}
		key := agingGroup{row.Reason, owed.Currency()}
		if groups[key] == nil {
			groups[key] = newAged(key.currency)
		}
		return groups[key].add(owed, row.Reserved, p.AsOf.Sub(events[0].EffectiveAt))
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
	g := &aged{total: money.Zero(cur), inPayment: money.Zero(cur)}
	for i := range g.buckets {
		g.buckets[i] = money.Zero(cur)
	}
	return g
}

func (g *aged) add(owed, reserved money.Amount, age time.Duration) error {
	g.fees++
	at := bucketOf(age)
	var err error
	if g.buckets[at], err = g.buckets[at].Add(owed); err != nil {
		return err
	}
	if g.total, err = g.total.Add(owed); err != nil {
		return err
	}
	g.inPayment, err = g.inPayment.Add(reserved)
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
		cells = append(cells, amount(b))
		if err := t.total(buckets[i].name, 0, b); err != nil {
			return err
		}
	}
	if err := t.total("owed", g.fees, g.total); err != nil {
		return err
	}
	return t.row(append(cells, amount(g.total), amount(g.inPayment))...)
}

// balanceTypes are the events of a fee that its sums are made of.
var balanceTypes = []string{
	"fee.assessed", "fee.adjusted", "fee.waived", "fee.written_off", "fee.reduction_released", "fee.reduction_reversed", "fee.cancelled",
	"fee.payment_applied", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied", "fee.payment_reserved", "fee.reservation_released",
}

// feeAsOf returns the row of a fee by what had taken effect at an instant, nil for a fee that wasn't assessed by then.
func feeAsOf(events []catalog.Event, at time.Time) (*readmodels.Fee, error) {
	var state *readmodels.FeeState
	for _, ev := range events {
		if ev.EffectiveAt.After(at) || !slices.Contains(balanceTypes, ev.Type) {
			continue
		}
		var err error
		if state, _, err = readmodels.FoldFee(state, ev); err != nil {
			return nil, err
		}
	}
	if state == nil {
		return nil, nil //nolint:nilnil // there is no fee yet
	}
	return state.Fee, nil
}

// owedOn is what is owed on a fee. Nothing is on a cancelled one, even where a bound left out what its cancellation took back.
func owedOn(row *readmodels.Fee) money.Amount {
	if row.Cancelled {
		return money.Zero(row.Amount.Currency())
	}
	return row.Outstanding()
}
