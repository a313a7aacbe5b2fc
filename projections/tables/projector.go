// Package tables is the projection that fills the current-state tables behind the GET routes.
package tables

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"payledger/domain/fee"
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

// Tables names the tables of fees and their payments.
func (p *Projector) Tables() []string { return []string{"tables_v1.fees", "tables_v1.fee_payments"} }

// EnsureSchema creates the tables if they are absent.
func (p *Projector) EnsureSchema(ctx context.Context, tx pgx.Tx) (bool, error) {
	return tables.EnsureSchema(ctx, tx)
}

// Reset forgets the rows.
func (p *Projector) Reset() { p.fees.Purge() }

// Apply loads the rows that the events change, folds, and writes each changed row once.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	b := batch{fees: make(map[eventstore.StreamID]*feeState, len(events))}
	if err := p.load(ctx, tx, &b, events); err != nil {
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
	for _, id := range b.changed {
		p.fees.Add(id, b.fees[id].row)
	}
	return nil
}

// load finds the rows as they are before events, of every fee stream among them.
func (p *Projector) load(ctx context.Context, tx pgx.Tx, b *batch, events []catalog.Event) error {
	var missing []tables.Key
	for i := range events {
		ev := &events[i]
		id, isFee := strings.CutPrefix(ev.Stream.Name, fee.Stream(""))
		if _, done := b.fees[ev.Stream]; done || !isFee {
			continue
		}
		row, ok := p.fees.Get(ev.Stream)
		if !ok && ev.Version > 1 {
			missing = append(missing, tables.Key{Tenant: ev.Stream.Tenant, ID: id})
		}
		b.fees[ev.Stream] = &feeState{row: row}
	}
	if len(missing) == 0 {
		return nil
	}
	loaded, err := tables.LoadFees(ctx, tx, missing)
	for _, row := range loaded {
		b.fees[eventstore.StreamID{Tenant: row.Tenant, Name: fee.Stream(row.ID)}].row = row
	}
	return err
}

// batch is the rows of the events of one transaction.
type batch struct {
	fees        map[eventstore.StreamID]*feeState
	changed     []eventstore.StreamID // keys of fees, in the order in which they changed first
	feePayments []readmodels.FeePayment
}

// feeState is the row of a fee stream, nil before its first event.
type feeState struct {
	row     *readmodels.Fee
	isNew   bool // there was no row before the batch
	changed bool
}

// fold applies one event.
func (b *batch) fold(ev catalog.Event) error {
	state := b.fees[ev.Stream]
	if state == nil {
		return b.foldPayment(ev)
	}
	// Each event is one version of the row; anything else means that rows and log are out of step.
	if version := streamVersion(state.row); ev.Version != version+1 {
		return fmt.Errorf("%w: version %d of %s on the row of version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, version)
	}
	next, _, err := readmodels.FoldFee(state.row, ev)
	if err != nil {
		return err
	}
	state.row = next
	if !state.changed {
		state.changed, state.isNew = true, ev.Version == 1
		b.changed = append(b.changed, ev.Stream)
	}
	return nil
}

// foldPayment adds the rows of a payment, which has but one event.
func (b *batch) foldPayment(ev catalog.Event) error {
	if ev.Version != 1 {
		return fmt.Errorf("%w: version %d of %s", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream)
	}
	_, changes, err := readmodels.Fold(nil, ev)
	for _, c := range changes {
		if row, ok := c.New.(*readmodels.FeePayment); ok {
			b.feePayments = append(b.feePayments, *row)
		}
	}
	return err
}

func (b *batch) rows() tables.Rows {
	rows := tables.Rows{NewFeePayments: b.feePayments}
	for _, id := range b.changed {
		if state := b.fees[id]; state.isNew {
			rows.NewFees = append(rows.NewFees, state.row)
		} else {
			rows.ChangedFees = append(rows.ChangedFees, state.row)
		}
	}
	return rows
}

// streamVersion is the version of the stream that a row was folded from.
func streamVersion(row *readmodels.Fee) int64 {
	if row == nil {
		return 0
	}
	return row.RecordVersion + 1
}
