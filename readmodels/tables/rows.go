package tables

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/money"
	"payledger/readmodels"
)

// table is how the rows of one object are kept: new ones are copied in, digests are made of the same values.
type table[R any] struct {
	name    string
	columns string // in the order of values and scan
	values  func(R, columns)
	key     func(R) Key
	scan    func(row pgx.CollectableRow, lead ...any) (R, error)
	all     string // selects all columns of all rows
	remove  string // takes out the rows of tenants $1 with ids $2
}

// theseRows ends a statement that is about the rows with given keys.
const theseRows = ` AS r USING unnest($1::text[], $2::text[]) AS k (tenant, id) WHERE r.tenant = k.tenant AND r.id = k.id`

// The columns of each table, in the order in which they are scanned and written. Those of lists and of queries by id too.
const (
	feeColumns = `tenant, id, user_id, loan_id, amount, currency, status, status_update_date, reason, note, is_active, record_version,
    created_at, updated_at, paid, reduced, reserved, cancelled, stream_version, position`
	feePaymentColumns = `tenant, id, payment_id, fee_id, amount_paid, currency, user_id, payment_method, payment_status, payment_date,
    stripe_payment_intent_id, handled_by_user_id, note, is_active, record_version, created_at, updated_at, position`
	feeEventColumns = `tenant, id, fee_id, user_id, event_type, event_date, actor_user_id, note, staff_only, is_active, record_version,
    created_at, updated_at, position`
	gatewayPaymentColumns = `tenant, id, owner_id, order_id, payment_id, payment_status, status_literal, redirect_url, is_active,
    record_version, created_at, updated_at, position`
	paymentCustomerColumns = `tenant, id, user_id, customer_id, platform, is_active, record_version, created_at, updated_at, position`
	paymentMethodColumns   = `tenant, id, payment_method_id, user_id, customer_id, card_holder_name, card_holder_zip, platform, card_brand,
    card_last4, card_exp_month, card_exp_year, is_active, record_version, created_at, updated_at, position`
	lotColumns = `tenant, id, user_id, source, payment_id, currency, granted, remaining, granted_at, created_at, updated_at, position`
)

const (
	sqlAllFees             = `SELECT ` + feeColumns + ` FROM tables_v2.fees`
	sqlAllFeePayments      = `SELECT ` + feePaymentColumns + ` FROM tables_v2.fee_payments`
	sqlAllFeeEvents        = `SELECT ` + feeEventColumns + ` FROM tables_v2.fee_events`
	sqlAllGatewayPayments  = `SELECT ` + gatewayPaymentColumns + ` FROM tables_v2.gateway_payments`
	sqlAllPaymentCustomers = `SELECT ` + paymentCustomerColumns + ` FROM tables_v2.payment_customers`
	sqlAllPaymentMethods   = `SELECT ` + paymentMethodColumns + ` FROM tables_v2.payment_methods`
	sqlAllCredits          = `SELECT ` + lotColumns + ` FROM tables_v2.credits`

	sqlRemoveFees             = `DELETE FROM tables_v2.fees` + theseRows
	sqlRemoveFeePayments      = `DELETE FROM tables_v2.fee_payments` + theseRows
	sqlRemoveFeeEvents        = `DELETE FROM tables_v2.fee_events` + theseRows
	sqlRemoveGatewayPayments  = `DELETE FROM tables_v2.gateway_payments` + theseRows
	sqlRemovePaymentCustomers = `DELETE FROM tables_v2.payment_customers` + theseRows
	sqlRemovePaymentMethods   = `DELETE FROM tables_v2.payment_methods` + theseRows
	sqlRemoveCredits          = `DELETE FROM tables_v2.credits` + theseRows
)

// The tables.
var (
	fees = table[*readmodels.Fee]{
		"fees", feeColumns, feeValues, FeeKey, scanFee, sqlAllFees, sqlRemoveFees,
	}
	feePayments = table[*readmodels.FeePayment]{
		"fee_payments", feePaymentColumns, feePaymentValues, FeePaymentKey,
		scanFeePayment, sqlAllFeePayments, sqlRemoveFeePayments,
	}
	feeEvents = table[*readmodels.FeeEvent]{
		"fee_events", feeEventColumns, feeEventValues, FeeEventKey,
		scanFeeEvent, sqlAllFeeEvents, sqlRemoveFeeEvents,
	}
	gatewayPayments = table[*readmodels.GatewayPayment]{
		"gateway_payments", gatewayPaymentColumns, gatewayPaymentValues, GatewayPaymentKey,
		scanGatewayPayment, sqlAllGatewayPayments, sqlRemoveGatewayPayments,
	}
	paymentCustomers = table[*readmodels.PaymentCustomer]{
		"payment_customers", paymentCustomerColumns, paymentCustomerValues, PaymentCustomerKey,
		scanPaymentCustomer, sqlAllPaymentCustomers, sqlRemovePaymentCustomers,
	}
	paymentMethods = table[*readmodels.PaymentMethod]{
		"payment_methods", paymentMethodColumns, paymentMethodValues, PaymentMethodKey,
		scanPaymentMethod, sqlAllPaymentMethods, sqlRemovePaymentMethods,
	}
	credits = table[*readmodels.CreditLot]{
		"credits", lotColumns, creditValues, CreditKey, scanCredit, sqlAllCredits, sqlRemoveCredits,
	}
)

// FeeKey returns the key of a fee.
func FeeKey(r *readmodels.Fee) Key { return Key{r.Tenant, r.ID} }

// FeePaymentKey returns the key of a payment of a fee.
func FeePaymentKey(r *readmodels.FeePayment) Key { return Key{r.Tenant, r.ID} }

// FeeEventKey returns the key of an event of a fee.
func FeeEventKey(r *readmodels.FeeEvent) Key { return Key{r.Tenant, r.ID} }

// GatewayPaymentKey returns the key of a gateway payment.
func GatewayPaymentKey(r *readmodels.GatewayPayment) Key { return Key{r.Tenant, r.ID} }

// PaymentCustomerKey returns the key of a customer.
func PaymentCustomerKey(r *readmodels.PaymentCustomer) Key { return Key{r.Tenant, r.ID} }

// PaymentMethodKey returns the key of a payment method.
func PaymentMethodKey(r *readmodels.PaymentMethod) Key { return Key{r.Tenant, r.ID} }

// CreditKey returns the key of a credit.
func CreditKey(r *readmodels.CreditLot) Key { return Key{r.Tenant, r.ID} }

// Names returns the names of all tables, with their schema.
func Names() []string {
	return []string{
		"tables_v2.fees", "tables_v2.fee_payments", "tables_v2.fee_events", "tables_v2.gateway_payments", "tables_v2.payment_customers",
		"tables_v2.payment_methods", "tables_v2.credits",
	}
}

// scanned reads a row into lead and targets; times are told in UTC.
func scanned(row pgx.CollectableRow, lead []any, targets ...any) error {
	if err := row.Scan(append(slices.Clip(lead), targets...)...); err != nil {
		return err
	}
	for _, target := range targets {
		if at, ok := target.(*time.Time); ok {
			*at = at.UTC()
		}
	}
	return nil
}

// Scans put what stands before the row's own columns into lead.
func scanFee(row pgx.CollectableRow, lead ...any) (*readmodels.Fee, error) {
	var r readmodels.Fee
	var currency string
	var amount, paid, reduced, reserved int64
	var status int16
	if err := scanned(row, lead, &r.Tenant, &r.ID, &r.UserID, &r.LoanID, &amount, &currency, &status, &r.StatusUpdateDate, &r.Reason, &r.Note,
		&r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &paid, &reduced, &reserved, &r.Cancelled, &r.StreamVersion, &r.Position); err != nil {
		return nil, err
	}
	cur, err := money.ParseCurrency(currency)
	if err != nil {
		return nil, fmt.Errorf("fee %s: %w", r.ID, err)
	}
	r.Status = readmodels.FeeStatus(status)
	r.Amount, r.Paid, r.Reduced, r.Reserved = money.New(amount, cur), money.New(paid, cur), money.New(reduced, cur), money.New(reserved, cur)
	return &r, nil
}

func scanFeePayment(row pgx.CollectableRow, lead ...any) (*readmodels.FeePayment, error) {
	var r readmodels.FeePayment
	var amount int64
	var currency string
	var method, status int16
	if err := scanned(row, lead, &r.Tenant, &r.ID, &r.PaymentID, &r.FeeID, &amount, &currency, &r.UserID, &method, &status, &r.PaymentDate,
		&r.StripePaymentIntentID, &r.HandledByUserID, &r.Note, &r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &r.Position); err != nil {
		return nil, err
	}
	cur, err := money.ParseCurrency(currency)
	if err != nil {
		return nil, fmt.Errorf("fee payment %s: %w", r.ID, err)
	}
	r.AmountPaid = money.New(amount, cur)
	r.PaymentMethod, r.PaymentStatus = readmodels.PaidBy(method), readmodels.PaymentStatus(status)
	return &r, nil
}

func scanFeeEvent(row pgx.CollectableRow, lead ...any) (*readmodels.FeeEvent, error) {
	var r readmodels.FeeEvent
	var eventType int16
	err := scanned(row, lead, &r.Tenant, &r.ID, &r.FeeID, &r.UserID, &eventType, &r.EventDate, &r.ActorUserID, &r.Note, &r.StaffOnly,
		&r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &r.Position)
	r.EventType = readmodels.FeeEventType(eventType)
	return &r, err
}

func scanGatewayPayment(row pgx.CollectableRow, lead ...any) (*readmodels.GatewayPayment, error) {
	var r readmodels.GatewayPayment
	err := scanned(row, lead, &r.Tenant, &r.ID, &r.OwnerID, &r.OrderID, &r.PaymentID, &r.PaymentStatus, &r.StatusLiteral, &r.RedirectURL,
		&r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &r.Position)
	return &r, err
}

func scanPaymentCustomer(row pgx.CollectableRow, lead ...any) (*readmodels.PaymentCustomer, error) {
	var r readmodels.PaymentCustomer
	err := scanned(row, lead, &r.Tenant, &r.ID, &r.UserID, &r.CustomerID, &r.Platform, &r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &r.Position)
	return &r, err
}

func scanPaymentMethod(row pgx.CollectableRow, lead ...any) (*readmodels.PaymentMethod, error) {
	var r readmodels.PaymentMethod
	err := scanned(row, lead, &r.Tenant, &r.ID, &r.PaymentMethodID, &r.UserID, &r.CustomerID, &r.CardHolderName, &r.CardHolderZip, &r.Platform,
		&r.Card.Brand, &r.Card.Last4, &r.Card.ExpMonth, &r.Card.ExpYear, &r.IsActive, &r.RecordVersion, &r.CreatedAt, &r.UpdatedAt, &r.Position)
	return &r, err
}

func scanCredit(row pgx.CollectableRow, lead ...any) (*readmodels.CreditLot, error) {
	var r readmodels.CreditLot
	var currency string
	var granted, remaining int64
	if err := scanned(row, lead, &r.Tenant, &r.ID, &r.UserID, &r.Source, &r.PaymentID, &currency, &granted, &remaining, &r.GrantedAt, &r.CreatedAt,
		&r.UpdatedAt, &r.Position); err != nil {
		return nil, err
	}
	cur, err := money.ParseCurrency(currency)
	if err != nil {
		return nil, fmt.Errorf("credit %s: %w", r.ID, err)
	}
	r.Granted, r.Remaining = money.New(granted, cur), money.New(remaining, cur)
	return &r, nil
}
