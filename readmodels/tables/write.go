package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels"
)

// Key identifies a row within its table.
type Key struct {
	Tenant string
	ID     string
}

// Rows are rows to be written; each key stands in it once.
type Rows struct {
	Fees        []*readmodels.Fee
	FeePayments []readmodels.FeePayment
}

// Constant columns are not written again on an update.
const sqlUpsertFees = `
INSERT INTO tables_v1.fees (` + feeColumns + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::smallint[], $8::timestamptz[],
    $9::text[], $10::text[], $11::boolean[], $12::bigint[], $13::timestamptz[], $14::timestamptz[], $15::bigint[], $16::bigint[],
    $17::boolean[], $18::bigint[])
ON CONFLICT (tenant, id) DO UPDATE SET
    amount = excluded.amount, status = excluded.status, status_update_date = excluded.status_update_date, note = excluded.note,
    is_active = excluded.is_active, record_version = excluded.record_version, updated_at = excluded.updated_at,
    paid = excluded.paid, reduced = excluded.reduced, cancelled = excluded.cancelled, position = excluded.position`

const sqlUpsertFeePayments = `
INSERT INTO tables_v1.fee_payments (` + feePaymentColumns + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::smallint[], $9::smallint[],
    $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::boolean[], $15::bigint[], $16::timestamptz[], $17::timestamptz[],
    $18::bigint[])
ON CONFLICT (tenant, id) DO UPDATE SET
    payment_status = excluded.payment_status, payment_date = excluded.payment_date, note = excluded.note,
    is_active = excluded.is_active, record_version = excluded.record_version, updated_at = excluded.updated_at, position = excluded.position`

// Write inserts or replaces rows, in one round trip.
func Write(ctx context.Context, tx pgx.Tx, rows Rows) error {
	var batch pgx.Batch
	if len(rows.Fees) > 0 {
		batch.Queue(sqlUpsertFees, feeArrays(rows.Fees)...)
	}
	if len(rows.FeePayments) > 0 {
		batch.Queue(sqlUpsertFeePayments, feePaymentArrays(rows.FeePayments)...)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// column makes an array of one field of all rows.
func column[R, T any](rows []R, field func(R) T) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = field(row)
	}
	return values
}

// feeArrays are the arguments of sqlUpsertFees, in the order of feeColumns.
func feeArrays(rows []*readmodels.Fee) []any {
	type row = *readmodels.Fee
	return []any{
		column(rows, func(r row) string { return r.Tenant }),
		column(rows, func(r row) string { return r.ID }),
		column(rows, func(r row) string { return r.UserID }),
		column(rows, func(r row) string { return r.LoanID }),
		column(rows, func(r row) int64 { return r.Amount.Minor() }),
		column(rows, func(r row) string { return r.Amount.Currency().Code() }),
		column(rows, func(r row) int16 { return int16(r.Status) }),
		column(rows, func(r row) time.Time { return r.StatusUpdateDate }),
		column(rows, func(r row) string { return r.Reason }),
		column(rows, func(r row) string { return r.Note }),
		column(rows, func(r row) bool { return r.IsActive }),
		column(rows, func(r row) int64 { return r.RecordVersion }),
		column(rows, func(r row) time.Time { return r.CreatedAt }),
		column(rows, func(r row) time.Time { return r.UpdatedAt }),
		column(rows, func(r row) int64 { return r.Paid.Minor() }),
		column(rows, func(r row) int64 { return r.Reduced.Minor() }),
		column(rows, func(r row) bool { return r.Cancelled }),
		column(rows, func(r row) int64 { return r.Position }),
	}
}

// feePaymentArrays are the arguments of sqlUpsertFeePayments, in the order of feePaymentColumns.
func feePaymentArrays(rows []readmodels.FeePayment) []any {
	type row = readmodels.FeePayment
	return []any{
		column(rows, func(r row) string { return r.Tenant }),
		column(rows, func(r row) string { return r.ID }),
		column(rows, func(r row) string { return r.PaymentID }),
		column(rows, func(r row) string { return r.FeeID }),
		column(rows, func(r row) int64 { return r.AmountPaid.Minor() }),
		column(rows, func(r row) string { return r.AmountPaid.Currency().Code() }),
		column(rows, func(r row) string { return r.UserID }),
		column(rows, func(r row) int16 { return int16(r.PaymentMethod) }),
		column(rows, func(r row) int16 { return int16(r.PaymentStatus) }),
		column(rows, func(r row) time.Time { return r.PaymentDate }),
		column(rows, func(r row) string { return r.StripePaymentIntentID }),
		column(rows, func(r row) string { return r.HandledByUserID }),
		column(rows, func(r row) string { return r.Note }),
		column(rows, func(r row) bool { return r.IsActive }),
		column(rows, func(r row) int64 { return r.RecordVersion }),
		column(rows, func(r row) time.Time { return r.CreatedAt }),
		column(rows, func(r row) time.Time { return r.UpdatedAt }),
		column(rows, func(r row) int64 { return r.Position }),
	}
}
