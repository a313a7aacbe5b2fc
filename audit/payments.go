package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
)

// payments are the sums of money that arrived, and of what was voided, by tender and channel. A void counts where and how its
// payment was captured, in the period in which it took effect.
func payments() Kind {
	return Kind{
		Name: "payments", Title: "Payments by method", Period: true, Filters: []string{filterTender}, form: 1, fold: foldPayments,
		Columns: []Column{
			{"tender", Text},
			{"channel", Text},
			{"currency", Text},
			{"captured", Number},
			{"gross", Money},
			{"voids", Number},
			{"voided", Money},
			{"net", Money},
			{"toCredit", Money},
		},
	}
}

type paymentGroup struct {
	tender, channel string
	currency        money.Currency
}

func (g paymentGroup) compare(h paymentGroup) int {
	return cmp.Or(cmp.Compare(g.tender, h.tender), cmp.Compare(g.channel, h.channel), cmp.Compare(g.currency.Code(), h.currency.Code()))
}

// takings are the sums of a row. What became a credit is part of captured.
type takings struct{ captured, voided, credit group }

func foldPayments(ctx context.Context, r Reader, p Params, t *table) error {
	tenders := []string{string(payment.TenderCash), string(payment.TenderPOS), string(payment.TenderCheck), string(payment.TenderOther)}
	only := p.filter(filterTender)
	if only != "" && !slices.Contains(tenders, only) {
		return badFilter(filterTender, only, tenders)
	}
	groups := make(map[paymentGroup]*takings)
	err := r.eachStream(ctx, p.Tenant, payment.Stream(""), p.KnownAt, func(events []catalog.Event) error {
		var key paymentGroup
		for _, ev := range events {
			captured, ok := ev.Data.(payment.Captured)
			if ok {
				key = paymentGroup{string(captured.Tender), ev.Meta.Channel, captured.Amount.Currency()}
			}
			voided, isVoid := ev.Data.(payment.Voided)
			if !ok && !isVoid || !p.within(ev.EffectiveAt) || only != "" && key.tender != only {
				continue
			}
			if groups[key] == nil {
				none := group{sum: money.Zero(key.currency)}
				groups[key] = &takings{none, none, none}
			}
			if err := groups[key].add(captured, voided, ok); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), paymentGroup.compare) {
		if err := paymentRow(t, key, groups[key]); err != nil {
			return err
		}
	}
	return nil
}

func (s *takings) add(captured payment.Captured, voided payment.Voided, isCapture bool) error {
	if !isCapture {
		return s.voided.add(voided.Amount)
	}
	if err := s.captured.add(captured.Amount); err != nil {
		return err
	}
	return s.credit.add(captured.Credit)
}

func paymentRow(t *table, key paymentGroup, s *takings) error {
	net, err := s.captured.sum.Sub(s.voided.sum)
	if err != nil {
		return err
	}
	err = t.row(text(key.tender), text(key.channel), text(key.currency.Code()), number(s.captured.count), amount(s.captured.sum),
		number(s.voided.count), amount(s.voided.sum), amount(net), amount(s.credit.sum))
	if err != nil {
		return err
	}
	for _, total := range []struct {
		name  string
		count int64
		sum   money.Amount
	}{{"gross", s.captured.count, s.captured.sum}, {"voided", s.voided.count, s.voided.sum}, {"net", s.captured.count - s.voided.count, net}} {
		if err := t.total(total.name, total.count, total.sum); err != nil {
			return err
		}
	}
	return nil
}
