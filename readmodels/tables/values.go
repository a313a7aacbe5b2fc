package tables

import (
	"time"

	"payledger/internal/pgcopy"
	"payledger/readmodels"
	"payledger/readmodels/digest"
)

// columns takes the values of a row in the order of its columns.
type columns interface {
	Text(v string)
	Bool(v bool)
	Int2(v int16)
	Int8(v int64)
	Time(v time.Time)
}

// values is a row's values as they are.
type values []any

func (l *values) Text(v string)    { *l = append(*l, v) }
func (l *values) Bool(v bool)      { *l = append(*l, v) }
func (l *values) Int2(v int16)     { *l = append(*l, v) }
func (l *values) Int8(v int64)     { *l = append(*l, v) }
func (l *values) Time(v time.Time) { *l = append(*l, v) }

// formed is a row in the form that digests are made of.
type formed struct{ digest.Row }

func (f *formed) Text(v string)    { f.Row = f.Row.Text(v) }
func (f *formed) Bool(v bool)      { f.Row = f.Row.Bool(v) }
func (f *formed) Int2(v int16)     { f.Row = f.Int(int64(v)) }
func (f *formed) Int8(v int64)     { f.Row = f.Int(v) }
func (f *formed) Time(v time.Time) { f.Row = f.Row.Time(v) }

// maxColumns is how many columns the widest table has.
const maxColumns = 20

// plain returns the values of a row.
func (t table[R]) plain(row R) []any {
	list := make(values, 0, maxColumns)
	t.values(row, &list)
	return list
}

// canonical appends the form of a row that digests are made of.
func (t table[R]) canonical(form digest.Row, row R) digest.Row {
	f := formed{form.Text(t.name)}
	t.values(row, &f)
	return f.Row
}

// copied adds a row to those that are to be copied into the table.
func (t table[R]) copied(to *pgcopy.Rows, row R) {
	to.Row()
	t.values(row, to)
}

func feeValues(r *readmodels.Fee, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.UserID)
	to.Text(r.LoanID)
	to.Int8(r.Amount.Minor())
	to.Text(r.Amount.Currency().Code())
	to.Int2(enum(r.Status))
	to.Time(r.StatusUpdateDate)
	to.Text(r.Reason)
	to.Text(r.Note)
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Paid.Minor())
	to.Int8(r.Reduced.Minor())
	to.Int8(r.Reserved.Minor())
	to.Bool(r.Cancelled)
	to.Int8(r.StreamVersion)
	to.Int8(r.Position)
}

func feePaymentValues(r *readmodels.FeePayment, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.PaymentID)
	to.Text(r.FeeID)
	to.Int8(r.AmountPaid.Minor())
	to.Text(r.AmountPaid.Currency().Code())
	to.Text(r.UserID)
	to.Int2(enum(r.PaymentMethod))
	to.Int2(enum(r.PaymentStatus))
	to.Time(r.PaymentDate)
	to.Text(r.StripePaymentIntentID)
	to.Text(r.HandledByUserID)
	to.Text(r.Note)
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

func feeEventValues(r *readmodels.FeeEvent, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.FeeID)
	to.Text(r.UserID)
	to.Int2(enum(r.EventType))
	to.Time(r.EventDate)
	to.Text(r.ActorUserID)
	to.Text(r.Note)
	to.Bool(r.StaffOnly)
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

func gatewayPaymentValues(r *readmodels.GatewayPayment, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.OwnerID)
	to.Text(r.OrderID)
	to.Text(r.PaymentID)
	to.Text(r.PaymentStatus)
	to.Text(r.StatusLiteral)
	to.Text(r.RedirectURL)
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

func paymentCustomerValues(r *readmodels.PaymentCustomer, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.UserID)
	to.Text(r.CustomerID)
	to.Text(r.Platform)
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

func paymentMethodValues(r *readmodels.PaymentMethod, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.PaymentMethodID)
	to.Text(r.UserID)
	to.Text(r.CustomerID)
	to.Text(r.CardHolderName)
	to.Text(r.CardHolderZip)
	to.Text(r.Platform)
	to.Text(r.Card.Brand)
	to.Text(r.Card.Last4)
	to.Int8(int64(r.Card.ExpMonth))
	to.Int8(int64(r.Card.ExpYear))
	to.Bool(r.IsActive)
	to.Int8(r.RecordVersion)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

func creditValues(r *readmodels.CreditLot, to columns) {
	to.Text(r.Tenant)
	to.Text(r.ID)
	to.Text(r.UserID)
	to.Text(r.Source)
	to.Text(r.PaymentID)
	to.Text(r.Granted.Currency().Code())
	to.Int8(r.Granted.Minor())
	to.Int8(r.Remaining.Minor())
	to.Time(r.GrantedAt)
	to.Time(r.CreatedAt)
	to.Time(r.UpdatedAt)
	to.Int8(r.Position)
}

// enum is how a value of one of the contract's enums is stored.
func enum[E ~int](value E) int16 { return int16(value) }
