// Package history tells what happened to a fee, a payment or a member, straight from the log: every answer can be asked
// again, as of another day or as it was known at another position.
package history

import (
	"context"
	"errors"
	"fmt"
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
	// Amount is what the event moved: assessed, waived, cancelled, paid.
	Amount *money.Amount
	// Outstanding is what is owed on the fee after the event; events of fees only.
	Outstanding *money.Amount
	Reason      string // or the cause of a cancellation
	Note        string // empty also when the person was erased
	Tender      string
	FeeID       string
	PaymentID   string
	EventID     uuid.UUID
	RequestID   string
}

// Fee returns the history of a fee: its own events and those of its payments. Errors: ErrNotFound.
func (r Reader) Fee(ctx context.Context, tenant, feeID string, o Options) (History, error) {
	return r.tell(ctx, o, "fee "+feeID, func(upTo int64) ([]catalog.Event, error) {
		events, err := r.read(ctx, tenant, upTo, fee.Stream(feeID))
		if err != nil {
			return nil, err
		}
		streams := []string{fee.Stream(feeID)}
		for _, ev := range events {
			if applied, ok := ev.Data.(fee.PaymentApplied); ok {
				streams = append(streams, payment.Stream(applied.PaymentID))
			}
		}
		if len(streams) == 1 {
			return events, nil
		}
		return r.read(ctx, tenant, upTo, streams...)
	}, func(catalog.Event) bool { return true })
}

// Payment returns the history of a payment: its own events, and what it did to fees and credits. Errors: ErrNotFound.
func (r Reader) Payment(ctx context.Context, tenant, paymentID string, o Options) (History, error) {
	return r.tell(ctx, o, "payment "+paymentID, func(upTo int64) ([]catalog.Event, error) {
		events, err := r.read(ctx, tenant, upTo, payment.Stream(paymentID))
		if err != nil {
			return nil, err
		}
		streams := []string{payment.Stream(paymentID)}
		for _, ev := range events {
			if captured, ok := ev.Data.(payment.Captured); ok {
				streams = append(streams, targets(captured)...)
			}
		}
		return r.read(ctx, tenant, upTo, streams...)
	}, func(ev catalog.Event) bool { return paymentOf(ev) == paymentID })
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
		return r.read(ctx, tenant, upTo, streams...)
	}, func(catalog.Event) bool { return true })
}

// targets are the streams that the money of a payment went to.
func targets(p payment.Captured) []string {
	var streams []string
	for _, a := range p.Allocations {
		streams = append(streams, fee.Stream(a.FeeID))
	}
	if p.CreditID != "" {
		streams = append(streams, credit.Stream(p.UserID))
	}
	return streams
}

// paymentOf returns the payment that an event is about, empty for none.
func paymentOf(ev catalog.Event) string {
	switch e := ev.Data.(type) {
	case payment.Captured:
		return e.PaymentID
	case fee.PaymentApplied:
		return e.PaymentID
	case credit.Granted:
		return e.PaymentID
	}
	return ""
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
	events, err := collect(h.KnownAt)
	if err != nil {
		return h, fmt.Errorf("history of %s: %w", about, err)
	}
	if len(events) == 0 {
		return h, fmt.Errorf("history of %s: %w", about, ErrNotFound)
	}
	fees := make(map[string]*readmodels.Fee)
	for _, ev := range events {
		if o.AsOf != nil && ev.EffectiveAt.After(*o.AsOf) {
			continue
		}
		entry := entryOf(ev)
		if _, ok := ev.Data.(fee.Event); ok {
			row, _, err := readmodels.FoldFee(fees[ev.Stream.Name], ev)
			if err != nil {
				return h, fmt.Errorf("history of %s: %w", about, err)
			}
			fees[ev.Stream.Name] = row
			entry.FeeID = row.ID
			entry.Outstanding = outstanding(row)
		}
		if keep(ev) {
			h.Entries = append(h.Entries, entry)
		}
	}
	return h, nil
}

// read returns the events of streams of a tenant up to a position, decoded.
func (r Reader) read(ctx context.Context, tenant string, upTo int64, streams ...string) ([]catalog.Event, error) {
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

// outstanding is what is owed. Nothing is on a cancelled fee, even where a bound left out reductions that its cancellation took back.
func outstanding(row *readmodels.Fee) *money.Amount {
	owed := row.Outstanding()
	if row.Cancelled {
		owed = money.Zero(row.Amount.Currency())
	}
	return &owed
}
