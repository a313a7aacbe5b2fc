package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

// Digest sums up all rows and reads the checkpoint in one snapshot. checkpoints.ErrNotBuilt: there are no tables yet.
func Digest(ctx context.Context, pool *pgxpool.Pool) (digest.Stored, error) {
	var stored digest.Stored
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) (err error) {
		if stored.Position, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		for _, add := range []func(context.Context, pgx.Tx, *digest.Sum) error{
			fees.addAll, feePayments.addAll, feeEvents.addAll, gatewayPayments.addAll, paymentCustomers.addAll, paymentMethods.addAll, credits.addAll,
		} {
			if err := add(ctx, tx, &stored.Sum); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return digest.Stored{}, fmt.Errorf("digest of the tables: %w", checkpoints.NotBuilt(err))
	}
	return stored, nil
}

// addAll adds every row of a table to a sum, without holding them all.
func (t table[R]) addAll(ctx context.Context, tx pgx.Tx, sum *digest.Sum) error {
	rows, err := tx.Query(ctx, t.all)
	if err != nil {
		return err
	}
	defer rows.Close()
	var form digest.Row
	for rows.Next() {
		row, err := t.scan(rows)
		if err != nil {
			return err
		}
		form = t.canonical(form[:0], row)
		sum.Add(form)
	}
	return rows.Err()
}

// apply puts changed rows in the place of what they were.
func (t table[R]) apply(sum *digest.Sum, changes []Change[R]) {
	for _, c := range changes {
		if !c.IsNew {
			sum.Remove(t.canonical(nil, c.Old))
		}
		sum.Add(t.canonical(nil, c.New))
	}
}

// Replay folds a log in memory into what the tables should hold, and keeps the states of streams that have begun and not ended. The zero value is
// at the beginning.
type Replay struct {
	states  map[eventstore.StreamID]any
	changes Changes
	sum     digest.Sum
	holds   func(tenant, stream string) bool // which streams are folded; nil for all
}

// NewReplay returns a Replay of the streams of which holds says so.
func NewReplay(holds func(tenant, stream string) bool) *Replay { return &Replay{holds: holds} }

// Apply folds the next event.
func (r *Replay) Apply(ev catalog.Event) error {
	if r.holds != nil && !r.holds(ev.Stream.Tenant, ev.Stream.Name) {
		return nil
	}
	if r.states == nil {
		r.states = make(map[eventstore.StreamID]any)
	}
	c := &r.changes
	c.Reset()
	next, err := c.Fold(r.states[ev.Stream], ev)
	if err != nil || next == nil {
		return err
	}
	r.states[ev.Stream] = next
	fees.apply(&r.sum, c.Fees)
	feePayments.apply(&r.sum, c.FeePayments)
	feeEvents.apply(&r.sum, c.FeeEvents)
	gatewayPayments.apply(&r.sum, c.GatewayPayments)
	paymentCustomers.apply(&r.sum, c.PaymentCustomers)
	paymentMethods.apply(&r.sum, c.PaymentMethods)
	credits.apply(&r.sum, c.Credits)
	return nil
}

// End lets go of a stream of which no later event comes.
func (r *Replay) End(stream eventstore.StreamID) { delete(r.states, stream) }

// Sum returns the digest of the rows so far.
func (r *Replay) Sum() digest.Sum { return r.sum }
