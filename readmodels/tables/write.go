package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/internal/pgcopy"
	"payledger/readmodels"
)

// Key identifies a row within its table.
type Key struct {
	Tenant string
	ID     string
}

// Rows are rows to be written; each key stands in them once.
type Rows struct {
	Fees             Set[*readmodels.Fee]
	FeePayments      Set[*readmodels.FeePayment]
	FeeEvents        Set[*readmodels.FeeEvent]
	GatewayPayments  Set[*readmodels.GatewayPayment]
	PaymentCustomers Set[*readmodels.PaymentCustomer]
	PaymentMethods   Set[*readmodels.PaymentMethod]
	Credits          Set[*readmodels.CreditLot]
}

// Set is rows of one table: those that it has none of yet, and those that stand in it as they were.
type Set[R any] struct {
	New     []R
	Changed []R
}

// ErrOutOfStep says that a row that was to be changed isn't there: what the projector knew about the table is wrong.
var ErrOutOfStep = errors.New("table is out of step with the log")

// The other columns never change.
const sqlUpdateFees = `
UPDATE tables_v2.fees AS f SET
    amount = u.amount, status = u.status, status_update_date = u.status_update_date, note = u.note, is_active = u.is_active,
    record_version = u.record_version, updated_at = u.updated_at, paid = u.paid, reduced = u.reduced, reserved = u.reserved,
    cancelled = u.cancelled, stream_version = u.stream_version, position = u.position
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::text[], $7::boolean[], $8::bigint[],
        $9::timestamptz[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[], $14::bigint[], $15::bigint[])
    AS u (tenant, id, amount, status, status_update_date, note, is_active, record_version, updated_at, paid, reduced, reserved, cancelled,
        stream_version, position)
WHERE f.tenant = u.tenant AND f.id = u.id`

// Write stores rows. ErrOutOfStep or a unique violation: the table isn't what the caller thinks it is.
func Write(ctx context.Context, tx pgx.Tx, rows Rows) error {
	if err := writeFees(ctx, tx, rows.Fees); err != nil {
		return err
	}
	if err := write(ctx, tx, feePayments, rows.FeePayments); err != nil {
		return err
	}
	if err := write(ctx, tx, feeEvents, rows.FeeEvents); err != nil {
		return err
	}
	if err := write(ctx, tx, gatewayPayments, rows.GatewayPayments); err != nil {
		return err
	}
	if err := write(ctx, tx, paymentCustomers, rows.PaymentCustomers); err != nil {
		return err
	}
	if err := write(ctx, tx, paymentMethods, rows.PaymentMethods); err != nil {
		return err
	}
	return write(ctx, tx, credits, rows.Credits)
}

// writeFees changes fees in place: most see one or two changes.
func writeFees(ctx context.Context, tx pgx.Tx, set Set[*readmodels.Fee]) error {
	if err := insert(ctx, tx, fees, set.New); err != nil {
		return err
	}
	n := len(set.Changed)
	if n == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, sqlUpdateFees, updateFeeArgs(set.Changed)...)
	if err != nil {
		return fmt.Errorf("change fees: %w", err)
	}
	return inStep(fees.name, tag.RowsAffected(), n)
}

// write changes rows by taking them out and putting them in again with the new ones: they rarely change.
func write[R any](ctx context.Context, tx pgx.Tx, t table[R], set Set[R]) error {
	if n := len(set.Changed); n > 0 {
		keys := column(set.Changed, t.key)
		tag, err := tx.Exec(ctx, t.remove, tenantsOf(keys), idsOf(keys))
		if err != nil {
			return fmt.Errorf("change %s: %w", t.name, err)
		}
		if err := inStep(t.name, tag.RowsAffected(), n); err != nil {
			return err
		}
	}
	return insert(ctx, tx, t, slices.Concat(set.New, set.Changed))
}

func inStep(table string, changed int64, wanted int) error {
	if changed != int64(wanted) {
		return fmt.Errorf("%w: changed %d of %d %s", ErrOutOfStep, changed, wanted, table)
	}
	return nil
}

// insert adds new rows by COPY. A row that is there already is an error: table and log are out of step, and that must not be
// papered over.
func insert[R any](ctx context.Context, tx pgx.Tx, t table[R], rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	var all pgcopy.Rows
	for _, row := range rows {
		t.copied(&all, row)
	}
	return t.copy(ctx, tx, &all)
}

// copy copies rows into the table.
func (t table[R]) copy(ctx context.Context, tx pgx.Tx, rows ...*pgcopy.Rows) error {
	if _, err := pgcopy.Copy(ctx, tx, pgx.Identifier{"tables_v2", t.name}, columnNames(t.columns), rows...); err != nil {
		return fmt.Errorf("insert into %s: %w", t.name, err)
	}
	return nil
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
		column(rows, func(r row) int64 { return r.Reserved.Minor() }),
		column(rows, func(r row) bool { return r.Cancelled }),
		column(rows, func(r row) int64 { return r.StreamVersion }),
		column(rows, func(r row) int64 { return r.Position }),
	}
}
