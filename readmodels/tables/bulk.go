package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// bulkRows is how many rows Bulk hands over at a time: few enough for short transactions.
const bulkRows = 20_000

// Bulk folds whole streams in memory, by the folds of the projection, and keeps only what they come to: rows for empty tables. Rows that
// nothing changes any more are handed over on the way. It belongs to one goroutine.
type Bulk struct {
	streams map[eventstore.StreamID]*stream
	order   []*stream // as they began
	next    int       // in order: the first that wasn't handed over
	rows    Rows
	count   int // of rows
}

// stream is what a stream came to so far.
type stream struct {
	state   any
	version int64
}

// NewBulk returns a Bulk at the beginning of the log.
func NewBulk() *Bulk { return &Bulk{streams: make(map[eventstore.StreamID]*stream)} }

// Apply folds the next event of any stream whose earlier events it was given. Its errors are those of readmodels.Fold.
func (b *Bulk) Apply(ev catalog.Event) error {
	s, ok := b.streams[ev.Stream]
	if !ok {
		s = new(stream)
		b.streams[ev.Stream] = s
		b.order = append(b.order, s)
	}
	if ev.Version != s.version+1 {
		return fmt.Errorf("%w: version %d of %s after version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, s.version)
	}
	next, changes, err := readmodels.Fold(s.state, ev)
	if err != nil {
		return err
	}
	s.state, s.version = next, ev.Version
	for _, c := range changes {
		if row, ok := c.New.(*readmodels.FeeEvent); ok && row.EventType != readmodels.EventNote { // notes stay in the state
			b.rows.FeeEvents.New = append(b.rows.FeeEvents.New, row)
			b.count++
		}
	}
	return nil
}

// Next returns a function that writes rows which no later event changes, and forgets them; nil while there are few. With end, after the
// last event, it returns all rows step by step, and nil when it has no more. What it returns after which events is the same in every
// run. The function copies into tables that have none of the rows.
func (b *Bulk) Next(end bool) func(context.Context, pgx.Tx) error {
	for end && b.count < bulkRows && b.next < len(b.order) {
		b.take(b.order[b.next].state)
		b.order[b.next] = nil
		b.next++
	}
	if b.count == 0 || b.count < bulkRows && !end {
		return nil
	}
	if end {
		b.streams = nil
	}
	rows := b.rows
	b.rows, b.count = Rows{}, 0
	return func(ctx context.Context, tx pgx.Tx) error { return Write(ctx, tx, rows) }
}

// take adds the rows that a stream has come to.
func (b *Bulk) take(state any) {
	r := &b.rows
	switch s := state.(type) {
	case *readmodels.FeeState:
		r.Fees.New = append(r.Fees.New, s.Fee)
		r.FeeEvents.New = append(r.FeeEvents.New, s.Notes...)
		b.count += len(s.Notes) + 1
	case *readmodels.Payment:
		for i := range s.Rows {
			r.FeePayments.New = append(r.FeePayments.New, &s.Rows[i])
		}
		b.count += len(s.Rows)
	case *readmodels.GatewayPayment:
		r.GatewayPayments.New = append(r.GatewayPayments.New, s)
		b.count++
	case *readmodels.CustomerState:
		r.PaymentCustomers.New = append(r.PaymentCustomers.New, s.Customers...)
		r.PaymentMethods.New = append(r.PaymentMethods.New, s.Methods...)
		b.count += len(s.Customers) + len(s.Methods)
	case *readmodels.Credits:
		for i := range s.Lots {
			r.Credits.New = append(r.Credits.New, &s.Lots[i])
		}
		b.count += len(s.Lots)
	case nil: // a stream without rows
	default:
		panic(fmt.Sprintf("tables: state of type %T", s)) // a new kind of stream: give it a case
	}
}
