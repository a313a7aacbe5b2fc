package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

// waivers are the sums of what was forgiven and written off, and of what of it was taken back or paid after all: who, why, on what
// kind of fee.
func waivers() Kind {
	return Kind{
		Name: "waivers", Title: "Waivers and write-offs", Period: true, Filters: []string{filterBy}, form: 1, fold: foldWaivers,
		Columns: []Column{
			{"action", Text},
			{"actorKind", Text},
			{"actorId", Text},
			{"reason", Text},
			{"feeReason", Text},
			{"currency", Text},
			{"count", Number},
			{"amount", Money},
			{"largest", Money},
		},
	}
}

// reductionGroup is one row of the report.
type reductionGroup struct {
	action, actorKind, actorID, reason, feeReason string
	currency                                      money.Currency
}

func (g reductionGroup) compare(h reductionGroup) int {
	return cmp.Or(cmp.Compare(g.action, h.action), cmp.Compare(g.actorKind, h.actorKind), cmp.Compare(g.actorID, h.actorID),
		cmp.Compare(g.reason, h.reason), cmp.Compare(g.feeReason, h.feeReason), cmp.Compare(g.currency.Code(), h.currency.Code()))
}

// group is the sum of a row.
type group struct {
	count   int64
	sum     money.Total
	largest money.Amount
}

func (g *group) add(a money.Amount) error {
	if g.count == 0 {
		g.sum, g.largest = zero(a.Currency()), a
	}
	g.count++
	if a.Cmp(g.largest) > 0 {
		g.largest = a
	}
	var err error
	g.sum, err = g.sum.Add(a)
	return err
}

func foldWaivers(ctx context.Context, r Reader, p Params, t *table) error {
	groups := make(map[reductionGroup]*group)
	err := r.eachStream(ctx, p.Tenant, fee.Stream(""), p.KnownAt, func(events []catalog.Event) error {
		kinds := reductionKinds(events)
		for _, ev := range events {
			key, a, ok := reduction(ev, kinds)
			if !ok || !p.within(ev.EffectiveAt) || p.filter(filterBy) != "" && key.actorID != p.filter(filterBy) {
				continue
			}
			key.feeReason = feeReason(events)
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
	for _, key := range slices.SortedFunc(maps.Keys(groups), reductionGroup.compare) {
		g := groups[key]
		err := t.row(text(key.action), text(key.actorKind), text(key.actorID), text(key.reason), text(key.feeReason), text(key.currency.Code()),
			number(g.count), summed(g.sum), amount(g.largest))
		if err != nil {
			return err
		}
		if err := t.total(key.action, g.count, g.sum.Amount); err != nil {
			return err
		}
	}
	return nil
}

// The words for the two kinds of reductions.
const (
	waived     = "waived"
	writtenOff = "writtenOff"
)

// reductionKinds tells which of a fee's reductions are waivers and which write-offs, by their ids.
func reductionKinds(events []catalog.Event) map[string]string {
	kinds := make(map[string]string)
	for _, ev := range events {
		switch d := ev.Data.(type) {
		case fee.Waived:
			kinds[d.ReductionID] = waived
		case fee.WrittenOff:
			kinds[d.ReductionID] = writtenOff
		}
	}
	return kinds
}

// reduction tells what an event reduced or took back, if it is about a reduction.
func reduction(ev catalog.Event, kinds map[string]string) (reductionGroup, money.Amount, bool) {
	g := reductionGroup{actorKind: ev.Meta.Actor.Kind, actorID: ev.Meta.Actor.ID}
	var a money.Amount
	switch d := ev.Data.(type) {
	case fee.Waived:
		g.action, g.reason, a = waived, d.Reason, d.Amount
	case fee.WrittenOff:
		g.action, g.reason, a = writtenOff, d.Reason, d.Amount
	case fee.ReductionReleased: // because the fee shrank
		g.action, a = kinds[d.ReductionID]+"Released", d.Amount
	case fee.ReductionReversed: // because staff took it back
		g.action, g.reason, a = kinds[d.ReductionID]+"Reversed", d.Reason, d.Amount
	case fee.WriteOffRecovered: // because a payment came after all
		g.action, a = writtenOff+"Recovered", d.Amount
	case fee.RecoveryReversed: // because that payment was taken off
		g.action, a = writtenOff+"RecoveryReversed", d.Amount
	default:
		return g, a, false
	}
	g.currency = a.Currency()
	return g, a, true
}

// feeReason returns what kind of fee a stream is about.
func feeReason(events []catalog.Event) string {
	if first, ok := events[0].Data.(fee.Assessed); ok {
		return first.Reason
	}
	return ""
}

func badFilter(name, value string, known []string) error {
	return fmt.Errorf("%w: %s %q is not one of %s", ErrBadFilter, name, value, strings.Join(known, ", "))
}
