package audit

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
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
		"fee.assessed", "fee.adjusted", "fee.waived", "fee.written_off", "fee.reduction_released", "fee.reduction_reversed",
		"fee.write_off_recovered", "fee.recovery_reversed", "fee.cancelled",
		"fee.payment_applied", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied",
		"payment.captured", "payment.voided", "payment.reallocated",
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed",
	}
}

// MoneyTypes are the wire names that the filter type of the report activity knows.
func MoneyTypes() []string { return moneyTypes() }

// activity is every event that moved money or changed what is owed, in order of position. What a fee or payment began with stands beside each.
func activity() Kind {
	return Kind{
		Name: "activity", Title: "Financial transactions", Period: true, Filters: []string{filterBy, filterType}, form: 2, fold: foldActivity,
		earlier: map[int]int{1: 17},
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
			{"paidBy", Text}, // tender of the payment that the event is about
			{"loanId", Text},
			{"billed", Money}, // what the fee was assessed at, when and by whom
			{"billedAt", Instant},
			{"billedBy", Text},
			{"note", Note},
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
	want := func(eventType string) bool { return slices.Contains(types, eventType) }
	return r.eachRecorded(ctx, p.Tenant, 0, p.KnownAt, want, func(recorded []eventstore.Recorded) error {
		var acts []act
		for i := range recorded {
			if !p.within(recorded[i].EffectiveAt.UTC()) {
				continue
			}
			keys := noting{Keys: r.Keys}
			ev, err := r.Catalog.Decode(ctx, &keys, &recorded[i])
			if err != nil {
				return err
			}
			if by == "" || ev.Meta.Actor.ID == by {
				acts = append(acts, act{Event: ev, Entry: history.EntryOf(ev), noted: keys.noted, shown: keys.shown})
			}
		}
		begun, err := r.beginnings(ctx, acts)
		if err != nil {
			return err
		}
		for _, a := range acts {
			if err := activityRow(t, a, begun); err != nil {
				return err
			}
		}
		return nil
	})
}

// act is an event that moved money, and whether it has a note, and one that can be read.
type act struct {
	catalog.Event
	history.Entry

	noted, shown bool
}

// noting are keys that remember whether they were asked for one, and had it.
type noting struct {
	eventstore.Keys

	noted, shown bool
}

// Key implements eventstore.Keys.
func (n *noting) Key(ctx context.Context, id uuid.UUID) (eventstore.Key, error) {
	key, err := n.Keys.Key(ctx, id)
	n.noted, n.shown = true, err == nil
	return key, err
}

func activityRow(t *table, a act, begun map[eventstore.StreamID]catalog.Event) error {
	e, meta := a.Entry, a.Meta
	first := begun[a.Stream]
	memberID, feeReason, paidBy := memberOf(first), "", tenderOf(begun[paymentStream(a.Stream.Tenant, a.PaymentID)].Data)
	billed, billedAt, billedBy, loanID := money.Amount{}, time.Time{}, "", ""
	if d, ok := first.Data.(fee.Assessed); ok {
		feeReason, e.FeeID, loanID = d.Reason, d.FeeID, d.LoanID
		billed, billedAt, billedBy = d.Amount, first.EffectiveAt, first.Meta.Actor.ID
	}
	t.noted(a.noted, a.shown)
	err := t.row(
		number(e.Position), instant(e.EffectiveAt), instant(e.RecordedAt), text(e.Type), text(memberID), text(e.FeeID), text(feeReason),
		text(e.PaymentID), text(e.Amount.Currency().Code()), amount(*e.Amount), text(e.Reason), text(e.Tender), text(meta.Channel),
		text(e.Actor.Kind), text(e.Actor.ID), text(strings.Join(e.Actor.Roles, " ")), text(e.EventID.String()),
		text(paidBy), text(loanID), amount(billed), instant(billedAt), text(billedBy), text(e.Note),
	)
	if err != nil {
		return err
	}
	return t.total(e.Type, 1, *e.Amount)
}

// memberOf is whom a stream of money is about, by its first event.
func memberOf(first catalog.Event) string {
	switch d := first.Data.(type) {
	case fee.Assessed:
		return d.UserID
	case payment.Started:
		return d.UserID
	case payment.Captured:
		return d.UserID
	case credit.Granted:
		return d.UserID
	}
	return ""
}

func paymentStream(tenant, id string) eventstore.StreamID {
	return eventstore.StreamID{Tenant: tenant, Name: payment.Stream(id)}
}

// tenderOf is how money came, by the first event of a payment.
func tenderOf(first any) string {
	switch d := first.(type) {
	case payment.Started:
		return string(d.Tender)
	case payment.Captured:
		return string(d.Tender)
	}
	return ""
}

// beginnings returns the first events of the streams that events are on, and of the payments that they are about, without texts.
func (r Reader) beginnings(ctx context.Context, acts []act) (map[eventstore.StreamID]catalog.Event, error) {
	ids := make([]eventstore.StreamID, 0, 2*len(acts))
	for _, a := range acts {
		ids = append(ids, a.Stream)
		if a.PaymentID != "" {
			ids = append(ids, paymentStream(a.Stream.Tenant, a.PaymentID))
		}
	}
	return r.firsts(ctx, ids)
}

// firsts returns the first event of each stream that there is, without texts.
func (r Reader) firsts(ctx context.Context, ids []eventstore.StreamID) (map[eventstore.StreamID]catalog.Event, error) {
	said := make(map[eventstore.StreamID]catalog.Event)
	slices.SortFunc(ids, func(a, b eventstore.StreamID) int { return cmp.Compare(a.Name, b.Name) })
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return said, nil
	}
	recorded, err := r.Log.ReadFirst(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range recorded {
		ev, err := r.Catalog.Decode(ctx, SealedKeys{}, &recorded[i])
		if err != nil {
			return nil, err
		}
		said[ev.Stream] = ev
	}
	return said, nil
}
