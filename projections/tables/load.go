package tables

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// missing are the streams of a batch whose state must be read from the tables, by the id in their names.
type missing struct {
	fees, payments, gatewayPayments, customers, credits []tables.Key
	notes                                               []tables.Key // by their own ids
}

// load finds the states of the streams of a batch as they are before it. A stream that begins in the batch has none.
func (p *Projector) load(ctx context.Context, tx pgx.Tx, b *batch, events []catalog.Event) error {
	var m missing
	for i := range events {
		ev := &events[i]
		if id := noteOf(ev); id != "" {
			m.notes = append(m.notes, tables.Key{Tenant: ev.Stream.Tenant, ID: id})
		}
		if _, seen := b.states[ev.Stream]; seen {
			continue
		}
		b.states[ev.Stream] = nil
		if ev.Version == 1 {
			continue
		}
		if row, ok := p.fees.Get(ev.Stream); ok {
			b.states[ev.Stream] = &readmodels.FeeState{Fee: row}
			continue
		}
		m.add(ev.Stream)
	}
	return m.load(ctx, tx, b.states)
}

// noteOf returns the note that an event changes, empty for none.
func noteOf(ev *catalog.Event) string {
	switch e := ev.Data.(type) {
	case fee.NoteChanged:
		return e.NoteID
	case fee.NoteHidden:
		return e.NoteID
	}
	return ""
}

func (m *missing) add(stream eventstore.StreamID) {
	for _, kind := range []struct {
		prefix string
		keys   *[]tables.Key
	}{
		{fee.Stream(""), &m.fees},
		{payment.Stream(""), &m.payments},
		{credit.Stream(""), &m.credits},
		{gateway.Stream(""), &m.gatewayPayments},
		{customer.Stream(""), &m.customers},
	} {
		if id, ok := strings.CutPrefix(stream.Name, kind.prefix); ok {
			*kind.keys = append(*kind.keys, tables.Key{Tenant: stream.Tenant, ID: id})
			return
		}
	}
}

func (m *missing) load(ctx context.Context, tx pgx.Tx, states map[eventstore.StreamID]any) error {
	rows, err := tables.LoadFees(ctx, tx, m.fees)
	if err != nil {
		return err
	}
	for _, row := range rows {
		states[feeStream(row)] = &readmodels.FeeState{Fee: row}
	}
	notes, err := tables.LoadFeeEvents(ctx, tx, m.notes)
	if err != nil {
		return err
	}
	for _, note := range notes {
		if s, ok := states[eventstore.StreamID{Tenant: note.Tenant, Name: fee.Stream(note.FeeID)}].(*readmodels.FeeState); ok && s.Note(note.ID) == nil {
			s.Notes = append(s.Notes, note) // ours alone still: made above
		}
	}
	gatewayPayments, err := tables.LoadGatewayPayments(ctx, tx, m.gatewayPayments)
	if err != nil {
		return err
	}
	for _, row := range gatewayPayments {
		states[eventstore.StreamID{Tenant: row.Tenant, Name: gateway.Stream(row.ID)}] = row
	}
	if err := loadInto(ctx, tx, states, payment.Stream, m.payments, tables.LoadPayments); err != nil {
		return err
	}
	if err := loadInto(ctx, tx, states, customer.Stream, m.customers, tables.LoadCustomers); err != nil {
		return err
	}
	return loadInto(ctx, tx, states, credit.Stream, m.credits, tables.LoadCredits)
}

// loadInto loads the states of streams that have several rows.
func loadInto[S any](
	ctx context.Context, tx pgx.Tx, states map[eventstore.StreamID]any, stream func(string) string, keys []tables.Key,
	load func(context.Context, tables.Querier, []tables.Key) (map[tables.Key]*S, error),
) error {
	if len(keys) == 0 {
		return nil
	}
	loaded, err := load(ctx, tx, keys)
	for key, state := range loaded {
		states[eventstore.StreamID{Tenant: key.Tenant, Name: stream(key.ID)}] = state
	}
	return err
}

func feeStream(row *readmodels.Fee) eventstore.StreamID {
	return eventstore.StreamID{Tenant: row.Tenant, Name: fee.Stream(row.ID)}
}
