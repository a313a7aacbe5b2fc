package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

// rollForward says how what was owed at the beginning of a period became what was owed at its end:
//
//	closing = opening + assessed + adjusted - cancelled - waived - writtenOff - paid - credited + recovered
//
// What a payment recovers of a write-off is owed again by that (account 4900), and paid.
// Opening and closing are account 1100, as in the report aging; each movement is net of what took it back.
func rollForward() Kind {
	columns := []Column{{"currency", Text}, {"opening", Money}}
	for _, m := range movements[:recovered] {
		columns = append(columns, Column{m.name, Money})
	}
	columns = append(columns, Column{"closing", Money}, Column{movements[recovered].name, Money}) // the last, which form 2 was without
	return Kind{
		Name: "rollforward", Title: "Receivables roll-forward", Period: true, form: 3, earlier: map[int]int{2: len(columns) - 1},
		Columns: columns, fold: foldRollForward,
	}
}

// moving is a column between opening and closing, and whether it raises what is owed.
type moving struct {
	name string
	sign int64
}

var movements = [...]moving{
	{"assessed", 1}, {"adjusted", 1}, {"cancelled", -1}, {waived, -1}, {writtenOff, -1}, {"paid", -1}, {"credited", -1}, {"recovered", 1},
}

// recovered is the index of the movement behind closing.
const recovered = len(movements) - 1

type rolled struct {
	opening, closing money.Total
	moved            [len(movements)]money.Total
}

func foldRollForward(ctx context.Context, r Reader, p Params, t *table) error {
	sums := make(map[money.Currency]*rolled)
	err := r.eachStream(ctx, p.Tenant, fee.Stream(""), p.KnownAt, func(events []catalog.Event) error {
		return rollFee(sums, events, p.Bounds)
	})
	if err != nil {
		return err
	}
	byCode := func(a, b money.Currency) int { return cmp.Compare(a.Code(), b.Code()) }
	for _, cur := range slices.SortedFunc(maps.Keys(sums), byCode) {
		if err := rollRow(t, cur, sums[cur]); err != nil {
			return err
		}
	}
	return nil
}

func rollFee(sums map[money.Currency]*rolled, events []catalog.Event, b Bounds) error {
	kinds := reductionKinds(events)
	for _, ev := range events {
		name, a := movement(ev, kinds)
		at := slices.IndexFunc(movements[:], func(m moving) bool { return m.name == name })
		if at < 0 || !b.counts(ev.EffectiveAt) {
			continue
		}
		s := sums[a.Currency()]
		if s == nil {
			s = newRolled(a.Currency())
			sums[a.Currency()] = s
		}
		if err := s.add(at, a, b.within(ev.EffectiveAt)); err != nil {
			return err
		}
	}
	return nil
}

func newRolled(cur money.Currency) *rolled {
	none := zero(cur)
	s := &rolled{opening: none, closing: none}
	for i := range s.moved {
		s.moved[i] = none
	}
	return s
}

// add counts a movement, in the period or before it.
func (s *rolled) add(at int, a money.Amount, within bool) error {
	owes := money.New(movements[at].sign*a.Minor(), a.Currency())
	var err error
	if s.closing, err = s.closing.Add(owes); err != nil {
		return err
	}
	if within {
		s.moved[at], err = s.moved[at].Add(a)
	} else {
		s.opening, err = s.opening.Add(owes)
	}
	return err
}

// movement says in which column an event counts, and how much; none for one that moves nothing.
func movement(ev catalog.Event, kinds map[string]string) (string, money.Amount) {
	switch d := ev.Data.(type) {
	case fee.Assessed:
		return "assessed", d.Amount
	case fee.Adjusted:
		if d.Direction == fee.DirectionDecrease {
			return "adjusted", negated(d.Amount)
		}
		return "adjusted", d.Amount
	case fee.Cancelled:
		return "cancelled", d.Amount
	case fee.Waived:
		return waived, d.Amount
	case fee.WrittenOff:
		return writtenOff, d.Amount
	case fee.ReductionReleased:
		return kinds[d.ReductionID], negated(d.Amount)
	case fee.ReductionReversed:
		return kinds[d.ReductionID], negated(d.Amount)
	case fee.WriteOffRecovered:
		return movements[recovered].name, d.Amount
	case fee.RecoveryReversed:
		return movements[recovered].name, negated(d.Amount)
	case fee.PaymentApplied:
		return "paid", d.Amount
	case fee.PaymentUnapplied:
		return "paid", negated(d.Amount)
	case fee.CreditApplied:
		return "credited", d.Amount
	case fee.CreditUnapplied:
		return "credited", negated(d.Amount)
	}
	return "", money.Amount{}
}

func negated(a money.Amount) money.Amount { return money.New(-a.Minor(), a.Currency()) }

func rollRow(t *table, cur money.Currency, s *rolled) error {
	cells := []Value{text(cur.Code()), summed(s.opening)}
	for i, m := range movements {
		if i < recovered {
			cells = append(cells, summed(s.moved[i]))
		} else if s.moved[i].IsZero() {
			continue // as in reports of form 2
		}
		if err := t.total(m.name, 0, s.moved[i].Amount); err != nil {
			return err
		}
	}
	if err := t.total("opening", 0, s.opening.Amount); err != nil {
		return err
	}
	if err := t.total("closing", 0, s.closing.Amount); err != nil {
		return err
	}
	return t.row(append(cells, summed(s.closing), summed(s.moved[recovered]))...)
}
