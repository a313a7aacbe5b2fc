package documents

import (
	"context"

	"github.com/jackc/pgx/v5"

	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/documents"
	"payledger/readmodels/persons"
)

// Apply applies the events in order, and at an erasure empties what stands of the person's texts: documents of before, which it also
// forgets.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	return persons.SplitAtErasures(events, func(part []catalog.Event) error { return p.apply(ctx, tx, part) }, func(tenant, userID string) error {
		p.Reset()
		return erase(ctx, tx, tenant, userID)
	})
}

// erase writes a person's documents without texts. They keep their positions, as what they are folded from: the mirror finds them by the
// erasure.
func erase(ctx context.Context, tx pgx.Tx, tenant, userID string) error {
	entries, err := documentsOf(ctx, tx, tenant, userID)
	if err != nil {
		return err
	}
	rows := make(map[readmodels.Ref]readmodels.Row, len(entries))
	for i := range entries {
		rows[entries[i].Ref] = entries[i].Document.Row
	}
	for i := range entries {
		entries[i].Document, err = entries[i].Document.WithoutTexts(func(object readmodels.Object, id string) readmodels.Row {
			return rows[readmodels.Ref{Object: object, ID: id}]
		})
		if err != nil {
			return err
		}
	}
	return documents.Write(ctx, tx, entries)
}

// documentsOf loads the documents of a person whose rows may have texts.
func documentsOf(ctx context.Context, tx pgx.Tx, tenant, userID string) ([]documents.Entry, error) {
	found, err := persons.Find(ctx, tx, tenant, userID)
	if err != nil {
		return nil, err
	}
	objects, ids := found.Documents()
	keys := make([]documents.Key, len(ids))
	for i := range ids {
		keys[i] = documents.Key{Tenant: tenant, Ref: readmodels.Ref{Object: readmodels.Object(objects[i]), ID: ids[i]}}
	}
	entries, err := documents.Load(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	streams := make([]eventstore.StreamID, len(found.Payments))
	for i, id := range found.Payments {
		streams[i] = eventstore.StreamID{Tenant: tenant, Name: payment.Stream(id)}
	}
	payments, err := documents.LoadOfStreams(ctx, tx, streams)
	return append(entries, payments...), err
}
