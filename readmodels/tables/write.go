package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"payledger/readmodels"
)

// Key identifies a row within its table.
type Key struct {
	Tenant string
	ID     string
}

// Rows are rows to be written; each key stands in them once.
type Rows struct {
	NewFees        []*readmodels.Fee
	ChangedFees    []*readmodels.Fee
	NewFeePayments []readmodels.FeePayment
}

// ErrOutOfStep says that a row that was to be changed isn't there: what the projector knew about the table is wrong.
var ErrOutOfStep = errors.New("table is out of step with the log")

// Plain inserts: a row that is there already means that table and log are out of step, and must not be papered over.
const sqlInsertFees = `
INSERT INTO tables_v1.fees (` + feeColumns + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::smallint[], $8::timestamptz[],
    $9::text[], $10::text[], $11::boolean[], $12::bigint[], $13::timestamptz[], $14::timestamptz[], $15::bigint[], $16::bigint[],
    $17::boolean[], $18::bigint[])`

// The other columns never change.
const sqlUpdateFees = `
UPDATE tables_v1.fees AS f SET
    amount = u.amount, status = u.status, status_update_date = u.status_update_date, note = u.note, is_active = u.is_active,
    record_version = u.record_version, updated_at = u.updated_at, paid = u.paid, reduced = u.reduced, cancelled = u.cancelled,
    position = u.position
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::text[], $7::boolean[], $8::bigint[],
        $9::timestamptz[], $10::bigint[], $11::bigint[], $12::boolean[], $13::bigint[])
    AS u (tenant, id, amount, status, status_update_date, note, is_active, record_version, updated_at, paid, reduced, cancelled, position)
WHERE f.tenant = u.tenant AND f.id = u.id`

const sqlInsertFeePayments = `
INSERT INTO tables_v1.fee_payments (` + feePaymentColumns + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::smallint[], $9::smallint[],
    $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::boolean[], $15::bigint[], $16::timestamptz[], $17::timestamptz[],
    $18::bigint[])`

// Write stores rows in one round trip. ErrOutOfStep or a unique violation: the table isn't what the caller thinks it is.
func Write(ctx context.Context, tx pgx.Tx, rows Rows) error {
	var batch pgx.Batch
	queue := func(sql string, n int, args func() []any) {
		if n == 0 {
			return
		}
		batch.Queue(sql, args()...).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() != int64(n) {
				return fmt.Errorf("%w: wrote %d of %d rows", ErrOutOfStep, tag.RowsAffected(), n)
			}
			return nil
		})
	}
	queue(sqlInsertFees, len(rows.NewFees), func() []any { return insertFeeArgs(rows.NewFees) })
	queue(sqlUpdateFees, len(rows.ChangedFees), func() []any { return updateFeeArgs(rows.ChangedFees) })
	queue(sqlInsertFeePayments, len(rows.NewFeePayments), func() []any { return insertFeePaymentArgs(rows.NewFeePayments) })
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

// enum is how a value of one of the contract's enums is stored.
func enum[E ~int](value E) int16 { return int16(value) }

// insertFeeArgs are the arguments of sqlInsertFees, in the order of feeColumns.
func insertFeeArgs(rows []*readmodels.Fee) []any {
	type row = *readmodels.Fee
	return []any{
		column(rows, func(r row) string { return r.Tenant }),
		column(rows, func(r row) string { return r.ID }),
		column(rows, func(r row) string { return r.UserID }),
		column(rows, func(r row) string { return r.LoanID }),
		column(rows, func(r row) int64 { return r.Amount.Minor() }),
		column(rows, func(r row) string { return r.Amount.Currency().Code() }),
		column(rows, func(r row) int16 { return enum(r.Status) }),
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

// updateFeeArgs are the arguments of sqlUpdateFees.
func updateFeeArgs(rows []*readmodels.Fee) []any {
	type row = *readmodels.Fee
	return []any{
		column(rows, func(r row) string { return r.Tenant }),
		column(rows, func(r row) string { return r.ID }),
		column(rows, func(r row) int64 { return r.Amount.Minor() }),
		column(rows, func(r row) int16 { return enum(r.Status) }),
		column(rows, func(r row) time.Time { return r.StatusUpdateDate }),
		column(rows, func(r row) string { return r.Note }),
		column(rows, func(r row) bool { return r.IsActive }),
		column(rows, func(r row) int64 { return r.RecordVersion }),
		column(rows, func(r row) time.Time { return r.UpdatedAt }),
		column(rows, func(r row) int64 { return r.Paid.Minor() }),
		column(rows, func(r row) int64 { return r.Reduced.Minor() }),
		column(rows, func(r row) bool { return r.Cancelled }),
		column(rows, func(r row) int64 { return r.Position }),
	}
}

// insertFeePaymentArgs are the arguments of sqlInsertFeePayments, in the order of feePaymentColumns.
func insertFeePaymentArgs(rows []readmodels.FeePayment) []any {
	type row = readmodels.FeePayment
	return []any{
		column(rows, func(r row) string { return r.Tenant }),
		column(rows, func(r row) string { return r.ID }),
		column(rows, func(r row) string { return r.PaymentID }),
		column(rows, func(r row) string { return r.FeeID }),
		column(rows, func(r row) int64 { return r.AmountPaid.Minor() }),
		column(rows, func(r row) string { return r.AmountPaid.Currency().Code() }),
		column(rows, func(r row) string { return r.UserID }),
		column(rows, func(r row) int16 { return enum(r.PaymentMethod) }),
		column(rows, func(r row) int16 { return enum(r.PaymentStatus) }),
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
