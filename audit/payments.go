package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"payledger/domain/books"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// payments are the sums of money that arrived, and of what was voided, by tender and channel. A void counts where and how its
// payment was captured, in the period in which it took effect. Behind the rest stands what of gross was taken for fees of each type, by the allocations
// with which it was captured: with toCredit it is all of gross.
func payments() Kind {
	columns := []Column{
		{"tender", Text},
		{"channel", Text},
		{"currency", Text},
		{"captured", Number},
		{"gross", Money},
		{"voids", Number},
		{"voided", Money},
		{"net", Money},
		{"toCredit", Money},
	}
	width := len(columns)
	for _, feeType := range books.FeeTypes() {
		columns = append(columns, Column{string(feeType), Money})
	}
	return Kind{
		Name: "payments", Title: "Payments by method", Period: true, Filters: []string{filterTender}, form: 2, earlier: map[int]int{1: width},
		Columns: columns, fold: foldPayments,
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
type takings struct {
	captured, voided, credit group
	types                    map[books.FeeType]money.Total // of fees, what was captured for each
}

// taking is a part of a payment, for a fee.
type taking struct {
	of     *takings
	fee    eventstore.StreamID
	amount money.Amount
}

// byType adds parts to the sums by what their fees are for, which the first event of each fee says.
func (r Reader) byType(ctx context.Context, parts []taking) error {
	ids := make([]eventstore.StreamID, len(parts))
	for i, part := range parts {
		ids[i] = part.fee
	}
	begun, err := r.firsts(ctx, ids)
	if err != nil {
		return err
	}
	for _, part := range parts {
		assessed, _ := begun[part.fee].Data.(fee.Assessed)
		feeType := books.TypeOf(assessed.Reason)
		sum, known := part.of.types[feeType]
		if !known {
			sum = zero(part.amount.Currency())
		}
		if part.of.types[feeType], err = sum.Add(part.amount); err != nil {
			return err
		}
	}
	return nil
}

func foldPayments(ctx context.Context, r Reader, p Params, t *table) error {
	tenders := []string{string(payment.TenderCash), string(payment.TenderPOS), string(payment.TenderCheck), string(payment.TenderOther)}
	only := p.filter(filterTender)
	if only != "" && !slices.Contains(tenders, only) {
		return badFilter(filterTender, only, tenders)
	}
	groups := make(map[paymentGroup]*takings)
	var parts []taking // whose fees are looked up together
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
				none := group{sum: zero(key.currency)}
				groups[key] = &takings{none, none, none, make(map[books.FeeType]money.Total)}
			}
			if err := groups[key].add(captured, voided, ok); err != nil {
				return err
			}
			for _, a := range captured.Allocations {
				parts = append(parts, taking{groups[key], eventstore.StreamID{Tenant: p.Tenant, Name: fee.Stream(a.FeeID)}, a.Amount})
			}
		}
		if len(parts) < pageEvents {
			return nil
		}
		err := r.byType(ctx, parts)
		parts = parts[:0]
		return err
	})
	if err == nil {
		err = r.byType(ctx, parts)
	}
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
	net, err := s.captured.sum.Sub(s.voided.sum.Amount)
	if err != nil {
		return err
	}
	cells := []Value{
		text(key.tender), text(key.channel), text(key.currency.Code()), number(s.captured.count), summed(s.captured.sum),
		number(s.voided.count), summed(s.voided.sum), summed(net), summed(s.credit.sum),
	}
	for _, feeType := range books.FeeTypes() {
		sum, known := s.types[feeType]
		if !known {
			sum = zero(key.currency)
		}
		cells = append(cells, summed(sum))
	}
	if err := t.row(cells...); err != nil {
		return err
	}
	for _, total := range []struct {
		name  string
		count int64
		sum   money.Total
	}{{"gross", s.captured.count, s.captured.sum}, {"voided", s.voided.count, s.voided.sum}, {"net", s.captured.count - s.voided.count, net}} {
		if err := t.total(total.name, total.count, total.sum.Amount); err != nil {
			return err
		}
	}
	return nil
}
