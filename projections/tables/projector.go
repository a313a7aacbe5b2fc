// Package tables is the projection that fills the current-state tables behind the GET routes.
package tables

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// cachedRows bounds the rows that the projector remembers, about 1 kB each.
const cachedRows = 50_000

// Projector folds events into rows. It belongs to one runner.
type Projector struct {
	// fees are rows as they stand in the table. Reset drops them.
	fees *simplelru.LRU[eventstore.StreamID, *readmodels.Fee]
}

// New returns a projector that remembers nothing.
func New() *Projector {
	fees, err := simplelru.NewLRU[eventstore.StreamID, *readmodels.Fee](cachedRows, nil)
	if err != nil {
		panic(fmt.Sprintf("tables: %v", err)) // only for a size below 1
	}
	return &Projector{fees: fees}
}

// Name returns "tables".
func (p *Projector) Name() string { return tables.ProjectionName }

// Version is the version of the tables' shape.
func (p *Projector) Version() int { return tables.ProjectionVersion }

// Handles lists the events that change rows.
func (p *Projector) Handles() []string {
	return []string{
		"fee.assessed", "fee.waived", "fee.reduction_released", "fee.cancelled", "fee.payment_applied", "fee.annotated", "fee.adjusted",
		"fee.written_off", "fee.reduction_reversed", "fee.write_off_recovered", "fee.recovery_reversed", "fee.note_added", "fee.note_changed", "fee.note_hidden", "fee.payment_reserved",
		"fee.reservation_released", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied",
		"payment.captured", "payment.started", "payment.failed", "payment.cancelled", "payment.voided", "payment.reallocated", "payment.annotated",
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed",
		"gateway_payment.recorded", "gateway_payment.updated", "gateway_payment.deleted",
		"customer.linked", "customer.method_attached", "customer.method_detached", "person.erased",
	}
}

// Ignores lists the events that change none.
func (p *Projector) Ignores() []string {
	return []string{"policy.reasons_set", "policy.books_profile_set", "extends.put", "id.claimed", "report.made", "audit.read", "projection.rebuilt", "person.erasure_certified"}
}

// Tables names the tables.
func (p *Projector) Tables() []string { return tables.Names() }

// EnsureSchema creates the tables if they are absent.
func (p *Projector) EnsureSchema(ctx context.Context, tx pgx.Tx) (bool, error) {
	return tables.EnsureSchema(ctx, tx)
}

// EnsureIndexes creates the indexes that only readers need, if they are absent.
func (p *Projector) EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	return tables.EnsureIndexes(ctx, tx)
}

// Reset forgets the rows.
func (p *Projector) Reset() { p.fees.Purge() }

// apply loads the states of the streams that the events are on, folds, and writes each changed row once.
func (p *Projector) apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	if len(events) == 0 {
		return nil
	}
	b := newBatch(len(events))
	if err := p.load(ctx, tx, b, events); err != nil {
		return err
	}
	for i := range events {
		if err := b.fold(events[i]); err != nil {
			return err
		}
	}
	if err := tables.Write(ctx, tx, b.rows()); err != nil {
		return err
	}
	for _, row := range b.fees.rows {
		p.fees.Add(feeStream(row), row)
	}
	return nil
}
