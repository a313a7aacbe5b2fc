package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

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

// Write stores rows. ErrOutOfStep or a unique violation: the table isn't what the caller thinks it is.
func Write(ctx context.Context, tx pgx.Tx, rows Rows) error {
	if err := insert(ctx, tx, "fees", feeColumns, rows.NewFees, feeValues); err != nil {
		return err
	}
	if n := len(rows.ChangedFees); n > 0 {
		tag, err := tx.Exec(ctx, sqlUpdateFees, updateFeeArgs(rows.ChangedFees)...)
		if err != nil {
			return fmt.Errorf("change fees: %w", err)
		}
		if tag.RowsAffected() != int64(n) {
			return fmt.Errorf("%w: changed %d of %d fees", ErrOutOfStep, tag.RowsAffected(), n)
		}
	}
	return insert(ctx, tx, "fee_payments", feePaymentColumns, rows.NewFeePayments, feePaymentValues)
}

// insert adds new rows by COPY. A row that is there already is an error: table and log are out of step, and that must not be
// papered over.
func insert[R any](ctx context.Context, tx pgx.Tx, table, columns string, rows []R, values func(R) []any) error {
	if len(rows) == 0 {
		return nil
	}
	source := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return values(rows[i]), nil })
	names := strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"tables_v1", table}, names, source); err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
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

// feeValues are the values of a row, in the order of feeColumns.
func feeValues(r *readmodels.Fee) []any {
	return []any{
		r.Tenant, r.ID, r.UserID, r.LoanID, r.Amount.Minor(), r.Amount.Currency().Code(),
		enum(r.Status), r.StatusUpdateDate, r.Reason, r.Note, r.IsActive, r.RecordVersion,
		r.CreatedAt, r.UpdatedAt, r.Paid.Minor(), r.Reduced.Minor(), r.Cancelled, r.Position,
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

// feePaymentValues are the values of a row, in the order of feePaymentColumns.
func feePaymentValues(r readmodels.FeePayment) []any {
	return []any{
		r.Tenant, r.ID, r.PaymentID, r.FeeID, r.AmountPaid.Minor(), r.AmountPaid.Currency().Code(),
		r.UserID, enum(r.PaymentMethod), enum(r.PaymentStatus), r.PaymentDate, r.StripePaymentIntentID, r.HandledByUserID,
		r.Note, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt, r.Position,
	}
}
