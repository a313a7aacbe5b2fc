package tables

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/internal/pgcopy"
	"payledger/readmodels"
)

const (
	// bulkRows is how many rows Bulk hands over at a time: few enough for short transactions.
	bulkRows = 20_000
	// Lanes is how many transactions write the rows of a Bulk at the same time.
	Lanes = 2
)

// Bulk folds whole streams in memory, by the folds of the projection, and keeps only what they come to: rows for empty tables. A stream is let
// go at its last event, so what is held are the streams that have begun and not ended. It belongs to one goroutine.
type Bulk struct {
	streams map[string]map[string]*stream // by tenant and name
	order   []*stream                     // as they began; those that were let go leave room in the end
	gone    int                           // of order
	made    readmodels.FeeEvent
	rows    *copies
	joined  []*copies    // that come before
	count   int          // rows of joined
	spare   chan *copies // that are written, whose memory is used again
}

// spareRows is how many sets of rows may wait to be used again: about as many as are on their way.
const spareRows = 40

// stream is what a stream came to so far.
type stream struct {
	state   any // nil once it is let go
	version int64
}

// copies are rows in the form in which they are copied.
type copies struct {
	only                                                                                     []string // tables; none: all
	count                                                                                    int
	fees, feePayments, feeEvents, gatewayPayments, paymentCustomers, paymentMethods, credits pgcopy.Rows
}

// NewBulk returns a Bulk at the beginning of the log, for all tables or for some by their names without the schema.
func NewBulk(only ...string) *Bulk {
	return &Bulk{streams: make(map[string]map[string]*stream), rows: &copies{only: only}, spare: make(chan *copies, spareRows)}
}

// Apply folds the next event of any stream whose earlier events it was given; with last it is the stream's last. Its errors are those of
// readmodels.Fold.
func (b *Bulk) Apply(ev *catalog.Event, last bool) error {
	var state any
	var known *stream
	version := int64(0)
	if ev.Version > 1 {
		if known = b.streams[ev.Stream.Tenant][ev.Stream.Name]; known != nil {
			state, version = known.state, known.version
		}
	}
	if ev.Version != version+1 {
		return fmt.Errorf("%w: version %d of %s after version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, version)
	}
	next, err := b.fold(state, ev)
	if err != nil {
		return err
	}
	switch {
	case !last && known != nil:
		known.state, known.version = next, ev.Version
	case !last:
		b.hold(ev.Stream, &stream{next, ev.Version})
	default:
		b.rows.take(next)
		if known != nil {
			known.state = nil
			delete(b.streams[ev.Stream.Tenant], ev.Stream.Name)
			b.letGo()
		}
	}
	return nil
}

// hold keeps a stream that has begun.
func (b *Bulk) hold(id eventstore.StreamID, s *stream) {
	of := b.streams[id.Tenant]
	if of == nil {
		of = make(map[string]*stream)
		b.streams[id.Tenant] = of
	}
	of[id.Name], b.order = s, append(b.order, s)
}

// fold returns what the stream comes to, and adds the rows that stand as they are made.
func (b *Bulk) fold(state any, ev *catalog.Event) (any, error) {
	var made *readmodels.FeeEvent
	if b.rows.wants(feeEvents.name) {
		made = &b.made
	}
	next, isMade, err := readmodels.Advance(state, ev, made)
	if err == nil && isMade {
		put(b.rows, feeEvents, &b.rows.feeEvents, made)
	}
	return next, err
}

// letGo counts a stream that is gone, and closes the gaps when they are many.
func (b *Bulk) letGo() {
	if b.gone++; b.gone > len(b.order)/2 {
		b.order, b.gone = slices.DeleteFunc(b.order, func(s *stream) bool { return s.state == nil }), 0
	}
}

// Next returns functions that write rows which no later event changes, Lanes of them, and forgets the rows; nil while there are few. With end,
// after the last event, it returns all rows step by step, and nil when it has no more. What it returns after which events is the same in every
// run. The functions copy into tables that have none of the rows, each into its own.
func (b *Bulk) Next(end bool) []func(context.Context, pgx.Tx) error {
	if end {
		b.streams = nil
	}
	for end && b.count+b.rows.count < bulkRows && len(b.order) > 0 {
		b.rows.take(b.order[0].state)
		b.order[0] = nil
		b.order = b.order[1:]
	}
	if n := b.count + b.rows.count; n == 0 || n < bulkRows && !end {
		return nil
	}
	sets := slices.Concat(b.joined, []*copies{b.rows})
	b.rows, b.joined, b.count = b.fresh(), nil, 0
	var written atomic.Int32
	parts := make([]func(context.Context, pgx.Tx) error, Lanes)
	for lane := range parts {
		parts[lane] = func(ctx context.Context, tx pgx.Tx) error {
			err := writeAll(ctx, tx, lane, sets)
			if err == nil && written.Add(1) == Lanes {
				b.reuse(sets)
			}
			return err
		}
	}
	return parts
}

// reuse takes back sets that are written.
func (b *Bulk) reuse(sets []*copies) {
	for _, rows := range sets {
		rows.empty()
		select {
		case b.spare <- rows:
		default:
		}
	}
}

// Join takes all rows of another one, which holds no streams.
func (b *Bulk) Join(other *Bulk) {
	if other.rows.count == 0 {
		return
	}
	b.joined, b.count = append(b.joined, other.rows), b.count+other.rows.count
	other.rows = b.fresh()
}

// fresh returns a set without rows.
func (b *Bulk) fresh() *copies {
	select {
	case rows := <-b.spare:
		return rows
	default:
		return &copies{only: b.rows.only}
	}
}

// all returns the rows of all tables.
func (c *copies) all() [7]*pgcopy.Rows {
	return [...]*pgcopy.Rows{&c.fees, &c.feePayments, &c.feeEvents, &c.gatewayPayments, &c.paymentCustomers, &c.paymentMethods, &c.credits}
}

// empty takes all rows out, and keeps their memory.
func (c *copies) empty() {
	c.count = 0
	for _, rows := range c.all() {
		rows.Empty()
	}
}

// wants reports whether rows of a table are made.
func (c *copies) wants(table string) bool { return len(c.only) == 0 || slices.Contains(c.only, table) }

// put adds a row of a table.
func put[R any](c *copies, t table[R], to *pgcopy.Rows, row R) {
	if !c.wants(t.name) {
		return
	}
	t.copied(to, row)
	c.count++
}

// take adds the rows that a stream has come to.
func (c *copies) take(state any) {
	switch s := state.(type) {
	case *readmodels.FeeState:
		put(c, fees, &c.fees, s.Fee)
		for _, note := range s.Notes {
			put(c, feeEvents, &c.feeEvents, note)
		}
	case *readmodels.Payment:
		for i := range s.Rows {
			put(c, feePayments, &c.feePayments, &s.Rows[i])
		}
	case *readmodels.GatewayPayment:
		put(c, gatewayPayments, &c.gatewayPayments, s)
	case *readmodels.CustomerState:
		for _, row := range s.Customers {
			put(c, paymentCustomers, &c.paymentCustomers, row)
		}
		for _, row := range s.Methods {
			put(c, paymentMethods, &c.paymentMethods, row)
		}
	case *readmodels.Credits:
		for i := range s.Lots {
			put(c, credits, &c.credits, &s.Lots[i])
		}
	case nil: // a stream without rows
	default:
		panic(fmt.Sprintf("tables: state of type %T", s)) // a new kind of stream: give it a case
	}
}

// lanes say which tables each lane writes, by where it begins and ends in all: fees, and all others, which are about as much.
var lanes = [Lanes + 1]int{0, 1, 7}

// writeAll copies all rows of sets into the tables of a lane.
func writeAll(ctx context.Context, tx pgx.Tx, lane int, sets []*copies) error {
	copyInto := [...]func(context.Context, pgx.Tx, ...*pgcopy.Rows) error{
		fees.copy, feePayments.copy, feeEvents.copy, gatewayPayments.copy, paymentCustomers.copy, paymentMethods.copy, credits.copy,
	}
	for i := lanes[lane]; i < lanes[lane+1]; i++ {
		rows := make([]*pgcopy.Rows, len(sets))
		for n, set := range sets {
			rows[n] = set.all()[i]
		}
		if err := copyInto[i](ctx, tx, rows...); err != nil {
			return err
		}
	}
	return nil
}
