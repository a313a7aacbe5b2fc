package tables

import (
	"context"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

const (
	sqlAllFees        = `SELECT ` + feeColumns + ` FROM tables_v1.fees`
	sqlAllFeePayments = `SELECT ` + feePaymentColumns + ` FROM tables_v1.fee_payments`
)

// Digest sums up all rows and reads the checkpoint in one snapshot. checkpoints.ErrNotBuilt: there are no tables yet.
func Digest(ctx context.Context, pool *pgxpool.Pool) (digest.Stored, error) {
	var stored digest.Stored
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) (err error) {
		if stored.Position, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		var row digest.Row
		if err := each(ctx, tx, sqlAllFees, scanFee, func(fee *readmodels.Fee) {
			row = appendFee(row[:0], fee)
			stored.Sum.Add(row)
		}); err != nil {
			return err
		}
		return each(ctx, tx, sqlAllFeePayments, scanFeePayment, func(payment readmodels.FeePayment) {
			row = appendFeePayment(row[:0], &payment)
			stored.Sum.Add(row)
		})
	})
	if err != nil {
		return digest.Stored{}, fmt.Errorf("digest of the tables: %w", checkpoints.NotBuilt(err))
	}
	return stored, nil
}

// each calls fn with every row of a query, without holding them all.
func each[T any](ctx context.Context, db Querier, sql string, scan func(pgx.CollectableRow) (T, error), fn func(T)) error {
	rows, err := db.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return err
		}
		fn(value)
	}
	return rows.Err()
}

// Replay folds a log in memory into what the tables should hold. The zero value is at the beginning.
type Replay struct {
	fees map[eventstore.StreamID]*readmodels.Fee
	sum  digest.Sum // of the payments' rows, which don't change
}

// Apply folds the next event.
func (r *Replay) Apply(ev catalog.Event) error {
	if r.fees == nil {
		r.fees = make(map[eventstore.StreamID]*readmodels.Fee)
	}
	var state any
	if row, ok := r.fees[ev.Stream]; ok {
		state = row
	}
	next, changes, err := readmodels.Fold(state, ev)
	if err != nil {
		return err
	}
	if row, ok := next.(*readmodels.Fee); ok {
		r.fees[ev.Stream] = row
	}
	for _, c := range changes {
		if payment, ok := c.New.(*readmodels.FeePayment); ok {
			r.sum.Add(appendFeePayment(nil, payment))
		}
	}
	return nil
}

// Sum returns the digest of the rows so far.
func (r *Replay) Sum() digest.Sum {
	sum := r.sum
	var row digest.Row
	for fee := range maps.Values(r.fees) {
		row = appendFee(row[:0], fee)
		sum.Add(row)
	}
	return sum
}

// appendFee appends the canonical form of a row.
func appendFee(row digest.Row, r *readmodels.Fee) digest.Row {
	return row.Text(r.Tenant).Text(string(readmodels.ObjectFee)).Text(r.ID).Text(r.UserID).Text(r.LoanID).
		Int(r.Amount.Minor()).Text(r.Amount.Currency().Code()).Int(int64(r.Status)).Time(r.StatusUpdateDate).Text(r.Reason).
		Text(r.Note).Bool(r.IsActive).Int(r.RecordVersion).Time(r.CreatedAt).Time(r.UpdatedAt).
		Int(r.Paid.Minor()).Int(r.Reduced.Minor()).Bool(r.Cancelled).Int(r.Position)
}

// appendFeePayment appends the canonical form of a row.
func appendFeePayment(row digest.Row, r *readmodels.FeePayment) digest.Row {
	return row.Text(r.Tenant).Text(string(readmodels.ObjectFeePayment)).Text(r.ID).Text(r.PaymentID).Text(r.FeeID).
		Int(r.AmountPaid.Minor()).Text(r.AmountPaid.Currency().Code()).Text(r.UserID).Int(int64(r.PaymentMethod)).
		Int(int64(r.PaymentStatus)).Time(r.PaymentDate).Text(r.StripePaymentIntentID).Text(r.HandledByUserID).Text(r.Note).
		Bool(r.IsActive).Int(r.RecordVersion).Time(r.CreatedAt).Time(r.UpdatedAt).Int(r.Position)
}
