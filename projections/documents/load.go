package documents

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

// loadStates finds the states of the streams of a batch as they are before it, in the documents of their rows. A stream that begins
// in the batch has none.
func (p *Projector) loadStates(ctx context.Context, tx pgx.Tx, b *batch, events []catalog.Event) error {
	var keys []documents.Key
	var streams []eventstore.StreamID
	for i := range events {
		ev := &events[i]
		if id := noteOf(ev); id != "" {
			keys = append(keys, documents.Key{Tenant: ev.Stream.Tenant, Ref: readmodels.Ref{Object: readmodels.ObjectFeeEvent, ID: id}})
		}
		if _, seen := b.states[ev.Stream]; seen {
			continue
		}
		b.states[ev.Stream] = nil
		if ev.Version == 1 {
			continue
		}
		key, ok := documentOf(ev.Stream)
		if d, known := p.known.Get(key); known && ok {
			b.loaded[key] = d
		} else if ok {
			keys = append(keys, key)
		} else if hasSeveral(ev.Stream) {
			streams = append(streams, ev.Stream)
		}
	}
	if err := b.load(ctx, tx, keys); err != nil {
		return err
	}
	several, err := documents.LoadOfStreams(ctx, tx, streams)
	if err != nil {
		return err
	}
	b.stateOfOne(events)
	b.stateOfSeveral(streams, several)
	return nil
}

// load keeps the documents that there are.
func (b *batch) load(ctx context.Context, tx pgx.Tx, keys []documents.Key) error {
	loaded, err := documents.Load(ctx, tx, keys)
	for i := range loaded {
		b.loaded[loaded[i].Key] = loaded[i].Document
	}
	return err
}

// stateOfOne sets the states of streams that tell of one document, and the notes that a fee's events change.
func (b *batch) stateOfOne(events []catalog.Event) {
	for i := range events {
		stream := events[i].Stream
		key, ok := documentOf(stream)
		if d := b.loaded[key]; ok && d != nil && d.Row != nil && b.states[stream] == nil && events[i].Version > 1 {
			switch row := d.Row.(type) {
			case *readmodels.Fee:
				b.states[stream] = &readmodels.FeeState{Fee: row}
			case *readmodels.GatewayPayment:
				b.states[stream] = row
			}
		}
		note := b.loaded[documents.Key{Tenant: stream.Tenant, Ref: readmodels.Ref{Object: readmodels.ObjectFeeEvent, ID: noteOf(&events[i])}}]
		s, ok := b.states[stream].(*readmodels.FeeState)
		if row, isNote := rowOf(note).(*readmodels.FeeEvent); ok && isNote && s.Note(row.ID) == nil {
			s.Notes = append(s.Notes, row) // ours alone still: made above
		}
	}
}

// stateOfSeveral sets the states of streams that tell of several documents.
func (b *batch) stateOfSeveral(streams []eventstore.StreamID, entries []documents.Entry) {
	payments := make(map[eventstore.StreamID][]*readmodels.FeePayment)
	customers := make(map[eventstore.StreamID]*readmodels.CustomerState)
	for _, id := range streams {
		customers[id] = &readmodels.CustomerState{}
	}
	for i := range entries {
		e := &entries[i]
		b.loaded[e.Key] = e.Document
		switch row := e.Document.Row.(type) {
		case *readmodels.FeePayment:
			id := eventstore.StreamID{Tenant: e.Tenant, Name: payment.Stream(row.PaymentID)}
			payments[id] = append(payments[id], row)
		case *readmodels.PaymentCustomer:
			s := customers[eventstore.StreamID{Tenant: e.Tenant, Name: customer.Stream(row.UserID)}]
			s.Customers = append(s.Customers, row)
		case *readmodels.PaymentMethod:
			s := customers[eventstore.StreamID{Tenant: e.Tenant, Name: customer.Stream(row.UserID)}]
			s.Methods = append(s.Methods, row)
		}
	}
	for _, id := range streams {
		if paymentID, ok := strings.CutPrefix(id.Name, payment.Stream("")); ok {
			b.states[id] = readmodels.PaymentOf(id.Tenant, paymentID, payments[id])
		} else {
			b.states[id] = customers[id]
		}
	}
}

// documentOf returns the document of a stream that tells of one row, and whether it is such a stream.
func documentOf(stream eventstore.StreamID) (documents.Key, bool) {
	if id, ok := strings.CutPrefix(stream.Name, fee.Stream("")); ok {
		return documents.Key{Tenant: stream.Tenant, Ref: readmodels.Ref{Object: readmodels.ObjectFee, ID: id}}, true
	}
	if id, ok := strings.CutPrefix(stream.Name, gateway.Stream("")); ok {
		return documents.Key{Tenant: stream.Tenant, Ref: readmodels.Ref{Object: readmodels.ObjectGatewayPayment, ID: id}}, true
	}
	return documents.Key{}, false
}

// hasSeveral reports whether a stream tells of several rows that have documents.
func hasSeveral(stream eventstore.StreamID) bool {
	return strings.HasPrefix(stream.Name, payment.Stream("")) || strings.HasPrefix(stream.Name, customer.Stream(""))
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

func rowOf(d *readmodels.Document) readmodels.Row {
	if d == nil {
		return nil
	}
	return d.Row
}

// loadDocuments finds the documents that change as they are before the batch. New rows have none, but for fees: a payment may have
// come first.
func (p *Projector) loadDocuments(ctx context.Context, tx pgx.Tx, b *batch) error {
	var missing []documents.Key
	for _, e := range b.order {
		_, loaded := b.loaded[e.Key]
		if d, known := p.known.Get(e.Key); known && !loaded {
			b.loaded[e.Key] = d
		} else if !loaded && !b.isNew[e.Key] {
			missing = append(missing, e.Key)
		}
	}
	if err := b.load(ctx, tx, missing); err != nil {
		return err
	}
	for _, e := range b.order {
		e.Document = b.loaded[e.Key]
	}
	return nil
}
