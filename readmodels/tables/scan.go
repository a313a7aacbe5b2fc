package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/money"
	"payledger/readmodels"
)

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// feeColumns are the columns of fees in the order of feeRow.targets and feeValues.
const feeColumns = `tenant, id, user_id, loan_id, amount, currency, status, status_update_date, reason, note, is_active, record_version,
    created_at, updated_at, paid, reduced, cancelled, position`

// feePaymentColumns are the columns of fee_payments in the order of scanFeePayment and feePaymentValues.
const feePaymentColumns = `tenant, id, payment_id, fee_id, amount_paid, currency, user_id, payment_method, payment_status, payment_date,
    stripe_payment_intent_id, handled_by_user_id, note, is_active, record_version, created_at, updated_at, position`

// feeRow is where a row of feeColumns is scanned to. All fields are pointers, since an outer join may bring no row.
type feeRow struct {
	tenant, id, userID, loanID, currency, reason, note *string
	amount, paid, reduced, version, position           *int64
	status                                             *int16
	statusUpdateDate, createdAt, updatedAt             *time.Time
	active, cancelled                                  *bool
}

func (r *feeRow) targets() []any {
	return []any{
		&r.tenant, &r.id, &r.userID, &r.loanID, &r.amount, &r.currency, &r.status, &r.statusUpdateDate, &r.reason, &r.note, &r.active,
		&r.version, &r.createdAt, &r.updatedAt, &r.paid, &r.reduced, &r.cancelled, &r.position,
	}
}

// fee returns the row, nil if there was none.
func (r *feeRow) fee() (*readmodels.Fee, error) {
	if r.id == nil {
		return nil, nil //nolint:nilnil // no row is an answer
	}
	currency, err := money.ParseCurrency(*r.currency)
	if err != nil {
		return nil, fmt.Errorf("fee %s: %w", *r.id, err)
	}
	return &readmodels.Fee{
		Tenant: *r.tenant, ID: *r.id, UserID: *r.userID, LoanID: *r.loanID, Amount: money.New(*r.amount, currency),
		Status: readmodels.FeeStatus(*r.status), StatusUpdateDate: r.statusUpdateDate.UTC(), Reason: *r.reason, Note: *r.note,
		IsActive: *r.active, RecordVersion: *r.version, CreatedAt: r.createdAt.UTC(), UpdatedAt: r.updatedAt.UTC(),
		Paid: money.New(*r.paid, currency), Reduced: money.New(*r.reduced, currency), Cancelled: *r.cancelled, Position: *r.position,
	}, nil
}

func scanFee(row pgx.CollectableRow) (*readmodels.Fee, error) {
	var r feeRow
	if err := row.Scan(r.targets()...); err != nil {
		return nil, err
	}
	return r.fee()
}

func scanFeePayment(row pgx.CollectableRow) (readmodels.FeePayment, error) {
	var p readmodels.FeePayment
	var amount int64
	var currency string
	var method, status int16
	if err := row.Scan(&p.Tenant, &p.ID, &p.PaymentID, &p.FeeID, &amount, &currency, &p.UserID, &method, &status, &p.PaymentDate,
		&p.StripePaymentIntentID, &p.HandledByUserID, &p.Note, &p.IsActive, &p.RecordVersion, &p.CreatedAt, &p.UpdatedAt, &p.Position); err != nil {
		return p, err
	}
	cur, err := money.ParseCurrency(currency)
	if err != nil {
		return p, fmt.Errorf("fee payment %s: %w", p.ID, err)
	}
	p.AmountPaid = money.New(amount, cur)
	p.PaymentMethod, p.PaymentStatus = readmodels.PaymentMethod(method), readmodels.PaymentStatus(status)
	p.PaymentDate, p.CreatedAt, p.UpdatedAt = p.PaymentDate.UTC(), p.CreatedAt.UTC(), p.UpdatedAt.UTC()
	return p, nil
}

// OFFSET 0 keeps the planner from turning the join round: one look-up by key for each wanted fee, however many there are.
const sqlLoadFees = `
SELECT found.* FROM unnest($1::text[], $2::text[]) AS wanted (tenant, id) CROSS JOIN LATERAL (
    SELECT ` + feeColumns + ` FROM tables_v1.fees AS f WHERE f.tenant = wanted.tenant AND f.id = wanted.id OFFSET 0) AS found`

// LoadFees returns the rows of the fees that have one.
func LoadFees(ctx context.Context, db Querier, keys []Key) ([]*readmodels.Fee, error) {
	rows, err := db.Query(ctx, sqlLoadFees, tenantsOf(keys), idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("load fees: %w", err)
	}
	fees, err := pgx.CollectRows(rows, scanFee)
	if err != nil {
		return nil, fmt.Errorf("load fees: %w", err)
	}
	return fees, nil
}

func tenantsOf(keys []Key) []string { return column(keys, func(k Key) string { return k.Tenant }) }

func idsOf(keys []Key) []string { return column(keys, func(k Key) string { return k.ID }) }
