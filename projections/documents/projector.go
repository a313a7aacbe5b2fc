// Package documents is the projection that keeps one document for each fee, found by search.
package documents

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

// cachedDocuments bounds the documents that the projector remembers, 1 to 2 kB each.
const cachedDocuments = 20_000

// Projector folds events into documents. It belongs to one runner.
type Projector struct {
	// known are documents as they stand in the table. Reset drops them.
	known *simplelru.LRU[documents.Key, *readmodels.Document]
}

// New returns a projector that remembers nothing.
func New() *Projector {
	known, err := simplelru.NewLRU[documents.Key, *readmodels.Document](cachedDocuments, nil)
	if err != nil {
		panic(fmt.Sprintf("documents: %v", err)) // only for a size below 1
	}
	return &Projector{known: known}
}

// Name returns "documents".
func (p *Projector) Name() string { return documents.ProjectionName }

// Version is the version of the table's shape.
func (p *Projector) Version() int { return documents.ProjectionVersion }

// Handles lists the events that change documents.
func (p *Projector) Handles() []string {
	return []string{
		"fee.assessed", "fee.waived", "fee.reduction_released", "fee.cancelled", "fee.payment_applied", "fee.annotated",
		"payment.captured",
	}
}

// Ignores lists the events that change none.
func (p *Projector) Ignores() []string {
	return []string{
		"fee.adjusted", "fee.written_off", "fee.reduction_reversed", "fee.payment_reserved", "fee.reservation_released",
		"fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied", "fee.note_added", "fee.note_changed", "fee.note_hidden",
		"payment.started", "payment.failed", "payment.cancelled", "payment.voided", "payment.reallocated", "payment.annotated",
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed",
		"gateway_payment.recorded", "gateway_payment.updated", "gateway_payment.deleted",
		"customer.linked", "customer.method_attached", "customer.method_detached",
		"policy.reasons_set", "extends.put", "id.claimed",
	}
}

// Tables names the table of documents.
func (p *Projector) Tables() []string { return []string{"documents_v1.documents"} }

// EnsureSchema creates the table if it is absent.
func (p *Projector) EnsureSchema(ctx context.Context, tx pgx.Tx) (bool, error) {
	return documents.EnsureSchema(ctx, tx)
}

// Reset forgets the documents.
func (p *Projector) Reset() { p.known.Purge() }

// Apply loads the documents that the events change, folds, and writes each changed document once.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	b := newBatch(len(events))
	if err := b.prepare(events); err != nil {
		return err
	}
	if err := p.load(ctx, tx, b); err != nil {
		return err
	}
	if err := b.fold(events); err != nil {
		return err
	}
	entries := b.entries()
	if err := documents.Write(ctx, tx, entries); err != nil {
		return err
	}
	for i := range entries {
		p.known.Add(entries[i].Key, entries[i].Document)
	}
	return nil
}

// load finds the documents as they are before the batch. A new fee is looked for as well: a payment may have come first.
func (p *Projector) load(ctx context.Context, tx pgx.Tx, b *batch) error {
	var missing []documents.Key
	for _, e := range b.order {
		if d, ok := p.known.Get(e.Key); ok {
			e.Document = d
		} else {
			missing = append(missing, e.Key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	loaded, err := documents.Load(ctx, tx, missing)
	for i := range loaded {
		b.roots[loaded[i].Key].Document = loaded[i].Document
	}
	return err
}

// batch is the documents of the events of one transaction.
type batch struct {
	roots    map[documents.Key]*documents.Entry
	order    []*documents.Entry          // as they were named first
	payments map[int][]readmodels.Change // row changes of payment events, by their index in the batch
}

func newBatch(n int) *batch {
	return &batch{roots: make(map[documents.Key]*documents.Entry, n), payments: make(map[int][]readmodels.Change)}
}

// prepare finds out which documents the events change. A fee's events name it by their stream, a payment's by its rows.
func (b *batch) prepare(events []catalog.Event) error {
	for i := range events {
		ev := &events[i]
		if id, isFee := strings.CutPrefix(ev.Stream.Name, fee.Stream("")); isFee {
			b.root(documents.Key{Tenant: ev.Stream.Tenant, FeeID: id})
			continue
		}
		if ev.Version != 1 { // a payment has but one event
			return fmt.Errorf("%w: version %d of %s", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream)
		}
		_, changes, err := readmodels.Fold(nil, *ev)
		if err != nil {
			return err
		}
		for _, c := range changes {
			b.root(documents.Key{Tenant: ev.Stream.Tenant, FeeID: c.New.Root()})
		}
		b.payments[i] = changes
	}
	return nil
}

// root returns the entry of a document, a new one if need be.
func (b *batch) root(key documents.Key) *documents.Entry {
	e, ok := b.roots[key]
	if !ok {
		e = &documents.Entry{Key: key}
		b.roots[key] = e
		b.order = append(b.order, e)
	}
	return e
}

// fold applies the events in order.
func (b *batch) fold(events []catalog.Event) error {
	for i := range events {
		ev := &events[i]
		changes, isPayment := b.payments[i]
		if !isPayment {
			var err error
			if changes, err = b.foldFee(ev); err != nil {
				return err
			}
		}
		for _, c := range changes {
			e := b.root(documents.Key{Tenant: ev.Stream.Tenant, FeeID: c.New.Root()})
			e.Document = readmodels.FoldDocument(e.Document, c)
			e.Position, e.Epoch = ev.Position, ev.Epoch
		}
	}
	return nil
}

// foldFee applies an event of a fee to the row in its document.
func (b *batch) foldFee(ev *catalog.Event) ([]readmodels.Change, error) {
	e := b.root(documents.Key{Tenant: ev.Stream.Tenant, FeeID: strings.TrimPrefix(ev.Stream.Name, fee.Stream(""))})
	var row *readmodels.Fee
	version := int64(0)
	if e.Document != nil && e.Document.Fee != nil {
		row = e.Document.Fee
		version = row.RecordVersion + 1
	}
	// Each event is one version of the row; anything else means that document and log are out of step.
	if ev.Version != version+1 {
		return nil, fmt.Errorf("%w: version %d of %s on the row of version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, version)
	}
	_, changes, err := readmodels.FoldFee(row, *ev)
	return changes, err
}

// entries returns the documents in the order in which they were named first.
func (b *batch) entries() []documents.Entry {
	entries := make([]documents.Entry, len(b.order))
	for i, e := range b.order {
		entries[i] = *e
	}
	return entries
}
