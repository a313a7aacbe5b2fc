package audit

import (
	"context"
	"slices"
	"strings"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/history"
)

// Filters.
const (
	filterBy      = "by"      // id of who did it
	filterType    = "type"    // wire name of an event
	filterTender  = "tender"  // how money arrived
	filterProfile = "profile" // how the books are read
)

// moneyTypes are the events that move money or change what is owed.
func moneyTypes() []string {
	return []string{
		"fee.assessed", "fee.adjusted", "fee.waived", "fee.written_off", "fee.reduction_released", "fee.reduction_reversed", "fee.cancelled",
		"fee.payment_applied", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied",
		"payment.captured", "payment.voided", "payment.reallocated",
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed",
	}
}

// MoneyTypes are the wire names that the filter type of the report activity knows.
func MoneyTypes() []string { return moneyTypes() }

// activity is every event that moved money or changed what is owed, in order of position.
func activity() Kind {
	return Kind{
		Name: "activity", Title: "Financial transactions", Period: true, Filters: []string{filterBy, filterType}, form: 1, fold: foldActivity,
		Columns: []Column{
			{"position", Number},
			{"effectiveAt", Instant},
			{"recordedAt", Instant},
			{"type", Text},
			{"memberId", Text},
			{"feeId", Text},
			{"feeReason", Text},
			{"paymentId", Text},
			{"currency", Text},
			{"amount", Money},
			{"reason", Text},
			{"tender", Text},
			{"channel", Text},
			{"actorKind", Text},
			{"actorId", Text},
			{"actorRoles", Text},
			{"eventId", Text},
		},
	}
}

// foldActivity looks up, page by page, whom and what the events are about: the first event of their streams says it.
func foldActivity(ctx context.Context, r Reader, p Params, t *table) error {
	types := moneyTypes()
	if only := p.filter(filterType); only != "" {
		if !slices.Contains(types, only) {
			return badFilter(filterType, only, types)
		}
		types = []string{only}
	}
	by := p.filter(filterBy)
	sealed := Reader{Log: r.Log, Catalog: r.Catalog, Keys: SealedKeys{}}
	want := func(eventType string) bool { return slices.Contains(types, eventType) }
	return sealed.eachPage(ctx, p.Tenant, 0, p.KnownAt, want, func(events []catalog.Event) error {
		events = slices.DeleteFunc(events, func(ev catalog.Event) bool {
			return !p.within(ev.EffectiveAt) || by != "" && ev.Meta.Actor.ID != by
		})
		begun, err := sealed.beginnings(ctx, events)
		if err != nil {
			return err
		}
		for _, ev := range events {
			if err := activityRow(t, ev, begun[ev.Stream]); err != nil {
				return err
			}
		}
		return nil
	})
}

func activityRow(t *table, ev catalog.Event, first any) error {
	e := history.EntryOf(ev)
	memberID, feeReason := "", ""
	switch d := first.(type) {
	case fee.Assessed:
		memberID, feeReason, e.FeeID = d.UserID, d.Reason, d.FeeID
	case payment.Started:
		memberID = d.UserID
	case payment.Captured:
		memberID = d.UserID
	case credit.Granted:
		memberID = d.UserID
	}
	err := t.row(
		number(e.Position), instant(e.EffectiveAt), instant(e.RecordedAt), text(e.Type), text(memberID), text(e.FeeID), text(feeReason),
		text(e.PaymentID), text(e.Amount.Currency().Code()), amount(*e.Amount), text(e.Reason), text(e.Tender), text(ev.Meta.Channel),
		text(e.Actor.Kind), text(e.Actor.ID), text(strings.Join(e.Actor.Roles, " ")), text(e.EventID.String()),
	)
	if err != nil {
		return err
	}
	return t.total(e.Type, 1, *e.Amount)
}

// beginnings returns what the first events of the events' streams say.
func (r Reader) beginnings(ctx context.Context, events []catalog.Event) (map[eventstore.StreamID]any, error) {
	said := make(map[eventstore.StreamID]any)
	var ids []eventstore.StreamID
	for _, ev := range events {
		if _, known := said[ev.Stream]; !known {
			said[ev.Stream] = nil
			ids = append(ids, ev.Stream)
		}
	}
	if len(ids) == 0 {
		return said, nil
	}
	recorded, err := r.Log.ReadFirst(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range recorded {
		ev, err := r.Catalog.Decode(ctx, r.Keys, &recorded[i])
		if err != nil {
			return nil, err
		}
		said[ev.Stream] = ev.Data
	}
	return said, nil
}
