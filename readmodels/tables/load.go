package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels"
)

// OFFSET 0 keeps the planner from turning the joins round: one look-up by an index for each wanted key, however many there are.
const (
	wantedKeys = ` FROM unnest($1::text[], $2::text[]) AS wanted (tenant, id) CROSS JOIN LATERAL (SELECT `
	byID       = ` AS r WHERE r.tenant = wanted.tenant AND r.id = wanted.id OFFSET 0) AS found`

	sqlLoadFees            = `SELECT found.*` + wantedKeys + feeColumns + ` FROM tables_v2.fees` + byID
	sqlLoadFeeEvents       = `SELECT found.*` + wantedKeys + feeEventColumns + ` FROM tables_v2.fee_events` + byID
	sqlLoadGatewayPayments = `SELECT found.*` + wantedKeys + gatewayPaymentColumns + ` FROM tables_v2.gateway_payments` + byID
	sqlLoadFeePayments     = `SELECT found.*` + wantedKeys + feePaymentColumns + ` FROM tables_v2.fee_payments AS r
    WHERE r.tenant = wanted.tenant AND r.payment_id = wanted.id OFFSET 0) AS found ORDER BY created_at, id`
	sqlLoadPaymentCustomers = `SELECT found.*` + wantedKeys + paymentCustomerColumns + ` FROM tables_v2.payment_customers AS r
    WHERE r.tenant = wanted.tenant AND r.user_id = wanted.id OFFSET 0) AS found ORDER BY created_at, id`
	sqlLoadPaymentMethods = `SELECT found.*` + wantedKeys + paymentMethodColumns + ` FROM tables_v2.payment_methods AS r
    WHERE r.tenant = wanted.tenant AND r.user_id = wanted.id OFFSET 0) AS found ORDER BY created_at, id`
	sqlLoadCredits = `SELECT found.*` + wantedKeys + lotColumns + ` FROM tables_v2.credits AS r
    WHERE r.tenant = wanted.tenant AND r.user_id = wanted.id OFFSET 0) AS found ORDER BY position, id`
)

// LoadFees returns the rows of the fees that have one.
func LoadFees(ctx context.Context, db Querier, keys []Key) ([]*readmodels.Fee, error) {
	return load(ctx, db, fees, sqlLoadFees, keys)
}

// LoadFeeEvents returns those of the feeEvents that there are.
func LoadFeeEvents(ctx context.Context, db Querier, keys []Key) ([]*readmodels.FeeEvent, error) {
	return load(ctx, db, feeEvents, sqlLoadFeeEvents, keys)
}

// LoadGatewayPayments returns the rows of the gateway payments that have one.
func LoadGatewayPayments(ctx context.Context, db Querier, keys []Key) ([]*readmodels.GatewayPayment, error) {
	return load(ctx, db, gatewayPayments, sqlLoadGatewayPayments, keys)
}

// LoadPayments returns payments as far as their rows tell of them.
func LoadPayments(ctx context.Context, db Querier, keys []Key) (map[Key]*readmodels.Payment, error) {
	rows, err := load(ctx, db, feePayments, sqlLoadFeePayments, keys)
	if err != nil {
		return nil, err
	}
	of := make(map[Key][]*readmodels.FeePayment, len(keys))
	for _, r := range rows {
		key := Key{r.Tenant, r.PaymentID}
		of[key] = append(of[key], r)
	}
	states := make(map[Key]*readmodels.Payment, len(keys))
	for _, k := range keys {
		states[k] = readmodels.PaymentOf(k.Tenant, k.ID, of[k])
	}
	return states, nil
}

// LoadCustomers returns the customers and cards of persons.
func LoadCustomers(ctx context.Context, db Querier, users []Key) (map[Key]*readmodels.CustomerState, error) {
	customers, err := load(ctx, db, paymentCustomers, sqlLoadPaymentCustomers, users)
	if err != nil {
		return nil, err
	}
	methods, err := load(ctx, db, paymentMethods, sqlLoadPaymentMethods, users)
	if err != nil {
		return nil, err
	}
	states := make(map[Key]*readmodels.CustomerState, len(users))
	for _, k := range users {
		states[k] = &readmodels.CustomerState{}
	}
	for _, r := range customers {
		s := states[Key{r.Tenant, r.UserID}]
		s.Customers = append(s.Customers, r)
	}
	for _, r := range methods {
		s := states[Key{r.Tenant, r.UserID}]
		s.Methods = append(s.Methods, r)
	}
	return states, nil
}

// LoadCredits returns the credits of persons.
func LoadCredits(ctx context.Context, db Querier, users []Key) (map[Key]*readmodels.Credits, error) {
	lots, err := load(ctx, db, credits, sqlLoadCredits, users)
	if err != nil {
		return nil, err
	}
	states := make(map[Key]*readmodels.Credits, len(users))
	for _, k := range users {
		states[k] = &readmodels.Credits{}
	}
	for _, lot := range lots {
		s := states[Key{lot.Tenant, lot.UserID}]
		s.Lots = append(s.Lots, *lot)
	}
	return states, nil
}

func load[R any](ctx context.Context, db Querier, t table[R], sql string, keys []Key) ([]R, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := db.Query(ctx, sql, tenantsOf(keys), idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", t.name, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (R, error) { return t.scan(row) })
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", t.name, err)
	}
	return found, nil
}

// column makes an array of one field of all rows.
func column[R, T any](rows []R, field func(R) T) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = field(row)
	}
	return values
}

func tenantsOf(keys []Key) []string { return column(keys, func(k Key) string { return k.Tenant }) }

func idsOf(keys []Key) []string { return column(keys, func(k Key) string { return k.ID }) }
