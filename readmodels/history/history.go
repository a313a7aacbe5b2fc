// Package history tells what happened to a fee, a payment or a member, straight from the log: every answer can be asked
// again, as of another day or as it was known at another position.
package history

import (
	"context"
	"errors"
	"fmt"
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
	"payledger/readmodels"
)

// ErrNotFound says that the log, as far as it was to be read, has nothing about this id.
var ErrNotFound = errors.New("nothing is known about this id")

// Reader answers from a log. Safe for concurrent use.
type Reader struct {
	Log     *eventstore.Reader
	Catalog *catalog.Catalog
	Keys    eventstore.Keys
}

// Options bound what is told. The zero value is all that is known now.
type Options struct {
	// AsOf leaves out what took effect later.
	AsOf *time.Time
	// KnownAt leaves out what was recorded behind this position.
	KnownAt *int64
	// ForMember leaves out the notes that are only for staff, or hidden by now, whatever the other bounds are.
	ForMember bool
}

// History is the events in order of position, and the bounds that were applied: asked again with the same ones, the log gives the same answer.
type History struct {
	Entries []Entry
	AsOf    *time.Time
	KnownAt int64
}

// Entry is one event. Empty texts and nil amounts mean that it has no such thing.
type Entry struct {
	Position    int64
	RecordedAt  time.Time
	EffectiveAt time.Time
	Type        string // wire name
	Actor       catalog.Actor
	// Amount is what the event moved: assessed, adjusted (less than zero for a decrease), waived, cancelled, reserved, paid.
	Amount *money.Amount
	// Gross is what the fee is charged at after the event, and Outstanding what of it is owed; events of fees only.
	Gross, Outstanding *money.Amount
	Channel            string // by which the command came, such as api or job
	Reason             string // or the cause of a cancellation
	Note               string // empty also when the person was erased
	Tender             string
	FeeID              string
	PaymentID          string
	EventID            uuid.UUID
	RequestID          string
}

// Fee returns the history of a fee: its own events and those of its payments. Errors: ErrNotFound.
func (r Reader) Fee(ctx context.Context, tenant, feeID string, o Options) (History, error) {
	return r.tell(ctx, o, "fee "+feeID, func(upTo int64) ([]catalog.Event, error) {
		events, err := r.Read(ctx, tenant, upTo, fee.Stream(feeID))
		if err != nil {
			return nil, err
		}
		streams := []string{fee.Stream(feeID)}
		for _, ev := range events {
			if id := paymentOf(ev); id != "" {
				streams = append(streams, payment.Stream(id))
			}
		}
		if len(streams) == 1 {
			return events, nil
		}
		return r.Read(ctx, tenant, upTo, streams...)
	}, func(catalog.Event) bool { return true })
}

// Payment returns the history of a payment: its own events, and what it did to fees and credits. Errors: ErrNotFound.
func (r Reader) Payment(ctx context.Context, tenant, paymentID string, o Options) (History, error) {
	credits := make(map[string]bool)
	return r.tell(ctx, o, "payment "+paymentID, func(upTo int64) ([]catalog.Event, error) {
		events, err := r.Read(ctx, tenant, upTo, payment.Stream(paymentID))
		if err != nil {
			return nil, err
		}
		streams := []string{payment.Stream(paymentID)}
		userID := ""
		for _, ev := range events {
			switch e := ev.Data.(type) {
			case payment.Started:
				streams, userID = append(streams, feesOf(e.Allocations)...), e.UserID
			case payment.Captured:
				streams, userID = append(streams, feesOf(e.Allocations)...), e.UserID
				credits[e.CreditID] = true
			case payment.Reallocated:
				streams = append(streams, feesOf(e.Given)...)
				credits[e.CreditID] = true
			}
		}
		if delete(credits, ""); len(credits) > 0 {
			streams = append(streams, credit.Stream(userID))
		}
		return r.Read(ctx, tenant, upTo, streams...)
	}, func(ev catalog.Event) bool {
		reversed, ok := ev.Data.(credit.Reversed)
		return paymentOf(ev) == paymentID || ok && credits[reversed.CreditID]
	})
}

// Member returns the history of a person: all events of all streams about them. Errors: ErrNotFound.
func (r Reader) Member(ctx context.Context, tenant, userID string, o Options) (History, error) {
	return r.tell(ctx, o, "member "+userID, func(upTo int64) ([]catalog.Event, error) {
		ends, err := r.Log.StreamsOf(ctx, tenant, userID, 0)
		if err != nil {
			return nil, err
		}
		streams := make([]string, len(ends))
		for i, end := range ends {
			streams[i] = end.Stream.Name
		}
		return r.Read(ctx, tenant, upTo, streams...)
	}, func(catalog.Event) bool { return true })
}

// feesOf are the streams of the fees that money of a payment goes to.
func feesOf(allocations []payment.Allocation) []string {
	streams := make([]string, len(allocations))
	for i, a := range allocations {
		streams[i] = fee.Stream(a.FeeID)
	}
	return streams
}

// paymentOf returns the payment that an event is about, empty for none.
func paymentOf(ev catalog.Event) string {
	if id, ok := strings.CutPrefix(ev.Stream.Name, payment.Stream("")); ok {
		return id
	}
	switch e := ev.Data.(type) {
	case fee.PaymentReserved:
		return e.PaymentID
	case fee.ReservationReleased:
		return e.PaymentID
	case fee.PaymentApplied:
		return e.PaymentID
	case fee.PaymentUnapplied:
		return e.PaymentID
	case fee.WriteOffRecovered:
		return e.PaymentID
	case fee.RecoveryReversed:
		return e.PaymentID
	case credit.Granted:
		return e.PaymentID
	}
	return ""
}

// noteOf returns the id of the note that an event is about, empty for none.
func noteOf(ev catalog.Event) string {
	switch e := ev.Data.(type) {
	case fee.NoteAdded:
		return e.NoteID
	case fee.NoteChanged:
		return e.NoteID
	case fee.NoteHidden:
		return e.NoteID
	}
	return ""
}

// secretNotes are the ids of the notes that no member is to read.
func secretNotes(events []catalog.Event) map[string]bool {
	secret := make(map[string]bool)
	for _, ev := range events {
		switch e := ev.Data.(type) {
		case fee.NoteAdded:
			if e.Visibility == fee.VisibilityStaff {
				secret[e.NoteID] = true
			}
		case fee.NoteHidden:
			secret[e.NoteID] = true
		}
	}
	return secret
}

// tell folds the events that collect finds, within the bounds, and tells those that keep wants to see.
func (r Reader) tell(
	ctx context.Context, o Options, about string, collect func(upTo int64) ([]catalog.Event, error), keep func(catalog.Event) bool,
) (History, error) {
	h := History{AsOf: o.AsOf, Entries: []Entry{}}
	head, err := r.Log.Head(ctx)
	if err != nil {
		return h, fmt.Errorf("history of %s: %w", about, err)
	}
	h.KnownAt = head.Position
	if o.KnownAt != nil {
		h.KnownAt = min(*o.KnownAt, head.Position)
	}
	upTo := h.KnownAt
	if o.ForMember { // a note may be hidden later than is to be told
		upTo = head.Position
	}
	events, err := collect(upTo)
	if err != nil {
		return h, fmt.Errorf("history of %s: %w", about, err)
	}
	secret := make(map[string]bool)
	if o.ForMember {
		secret = secretNotes(events)
		events = slices.DeleteFunc(events, func(ev catalog.Event) bool { return ev.Position > h.KnownAt })
	}
	if len(events) == 0 {
		return h, fmt.Errorf("history of %s: %w", about, ErrNotFound)
	}
	fees := make(map[string]*readmodels.FeeState)
	for _, ev := range events {
		if o.AsOf != nil && ev.EffectiveAt.After(*o.AsOf) {
			continue
		}
		entry := EntryOf(ev)
		if _, ok := ev.Data.(fee.Event); ok {
			state, _, err := readmodels.FoldFee(fees[ev.Stream.Name], ev)
			if err != nil {
				return h, fmt.Errorf("history of %s: %w", about, err)
			}
			fees[ev.Stream.Name] = state
			entry.Gross, entry.Outstanding = charged(state.Fee)
		}
		if keep(ev) && !secret[noteOf(ev)] {
			h.Entries = append(h.Entries, entry)
		}
	}
	return h, nil
}

// Read returns the events of streams of a tenant up to a position, decoded. A stream may be named more than once.
func (r Reader) Read(ctx context.Context, tenant string, upTo int64, streams ...string) ([]catalog.Event, error) {
	slices.Sort(streams)
	streams = slices.Compact(streams)
	ids := make([]eventstore.StreamID, len(streams))
	for i, name := range streams {
		ids[i] = eventstore.StreamID{Tenant: tenant, Name: name}
	}
	recorded, err := r.Log.ReadStreams(ctx, ids, upTo)
	if err != nil {
		return nil, err
	}
	events := make([]catalog.Event, len(recorded))
	for i := range recorded {
		if events[i], err = r.Catalog.Decode(ctx, r.Keys, &recorded[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// charged is the gross, and what of it is owed. Nothing is on a cancelled fee, even where a bound left out reductions that its cancellation took back.
func charged(row *readmodels.Fee) (gross, owed *money.Amount) {
	if row.Cancelled {
		none := money.Zero(row.Amount.Currency())
		return &none, &none
	}
	return new(row.Amount), new(row.Outstanding())
}
