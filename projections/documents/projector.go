// Package documents is the projection that keeps one document for each row, found by search.
package documents

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

// cachedDocuments bounds the documents that the projector remembers, 1 to 2 kB each.
const cachedDocuments = 20_000

// Projector folds events into documents. It belongs to one runner.
type Projector struct {
	// known are documents of fees as they stand in the table. Reset drops them.
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
		"fee.assessed", "fee.waived", "fee.reduction_released", "fee.cancelled", "fee.payment_applied", "fee.annotated", "fee.adjusted",
		"fee.written_off", "fee.reduction_reversed", "fee.write_off_recovered", "fee.recovery_reversed", "fee.note_added", "fee.note_changed", "fee.note_hidden", "fee.payment_reserved",
		"fee.reservation_released", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied",
		"payment.captured", "payment.started", "payment.failed", "payment.cancelled", "payment.voided", "payment.reallocated", "payment.annotated",
		"gateway_payment.recorded", "gateway_payment.updated", "gateway_payment.deleted",
		"customer.linked", "customer.method_attached", "customer.method_detached", "extends.put", "person.erased",
	}
}

// Ignores lists the events that change none.
func (p *Projector) Ignores() []string {
	return []string{
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed", "policy.reasons_set", "policy.books_profile_set", "id.claimed",
		"report.made", "audit.read", "projection.rebuilt", "person.erasure_certified",
	}
}

// Tables names the table of documents.
func (p *Projector) Tables() []string { return []string{"documents_v2.documents"} }

// EnsureSchema creates the table if it is absent.
func (p *Projector) EnsureSchema(ctx context.Context, tx pgx.Tx) (bool, error) {
	return documents.EnsureSchema(ctx, tx)
}

// EnsureIndexes creates the indexes that only readers need, if they are absent.
func (p *Projector) EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	return documents.EnsureIndexes(ctx, tx)
}

// Reset forgets the documents.
func (p *Projector) Reset() { p.known.Purge() }

// apply folds the events on the states of their streams, which the documents hold, loads the other documents that change by
// it, and writes each changed document once.
func (p *Projector) apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	if len(events) == 0 {
		return nil
	}
	b := newBatch(len(events))
	if err := p.loadStates(ctx, tx, b, events); err != nil {
		return err
	}
	if err := b.foldStreams(events); err != nil {
		return err
	}
	if err := p.loadDocuments(ctx, tx, b); err != nil {
		return err
	}
	entries, err := b.foldDocuments(events)
	if err != nil {
		return err
	}
	if err := documents.Write(ctx, tx, entries); err != nil {
		return err
	}
	for i := range entries {
		if entries[i].Object == readmodels.ObjectFee { // others hardly ever change
			p.known.Add(entries[i].Key, entries[i].Document)
		}
	}
	return nil
}
