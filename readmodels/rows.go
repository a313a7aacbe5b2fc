// Package readmodels holds the rows and documents of the contract, their folds over events, and the queries over them.
// A row is folded from exactly one stream. The same folds serve the tables, the documents, the published messages, the
// answers of commands and as-of questions, so they can't disagree.
package readmodels

import (
	"time"

	"payledger/domain/money"
)

// Object names a row type of the contract in camelCase, as it stands in payloads.
type Object string

// The objects of this version.
const (
	ObjectFee        Object = "fee"
	ObjectFeePayment Object = "feePayment"
)

// Action says what a change did to a row; the word stands in topic names.
type Action string

// The actions of row changes.
const (
	ActionCreated Action = "created"
	ActionUpdated Action = "updated"
	ActionDeleted Action = "deleted"
)

// Row is a row of the contract, printable in the guide's order of keys, all keys always, null when empty.
type Row interface {
	// Key returns the row's identity within its tenant.
	Key() string
	// Root returns the id of the fee whose document shows this row.
	Root() string
	// Owner returns the id of the user whose row it is (_owner).
	Owner() string
	// Version returns the recordVersion.
	Version() int64
	// AppendJSON appends the row; withIndex adds the <enum>_idx keys that REST and route answers have.
	AppendJSON(dst []byte, withIndex bool) []byte
}

// Change is what one event did to one row. Old is nil for created. New is never nil: deleted carries the row with isActive false.
type Change struct {
	Object Object
	Action Action
	Old    Row
	New    Row
}

// Fee is a row of the object fee, folded from stream fee-<id>. Never change one: values are shared.
type Fee struct {
	Tenant           string
	ID               string
	UserID           string
	LoanID           string // empty for none
	Amount           money.Amount
	Status           FeeStatus
	StatusUpdateDate time.Time
	Reason           string
	Note             string
	IsActive         bool
	RecordVersion    int64
	CreatedAt        time.Time
	UpdatedAt        time.Time

	// The sums behind the status, and the last event folded in. They are columns of the table, not keys of the payload.
	Paid      money.Amount // net of allocations
	Reduced   money.Amount // waived, written off, discounted
	Cancelled bool
	Position  int64
}

// FeePayment is a row of the object feePayment in its ledger shape: one allocation of a payment, folded from stream payment-<id>.
type FeePayment struct {
	Tenant                string
	ID                    string // allocation id
	PaymentID             string
	FeeID                 string
	AmountPaid            money.Amount
	UserID                string
	PaymentMethod         PaymentMethod
	PaymentStatus         PaymentStatus
	PaymentDate           time.Time
	StripePaymentIntentID string
	HandledByUserID       string
	Note                  string
	IsActive              bool
	RecordVersion         int64
	CreatedAt             time.Time
	UpdatedAt             time.Time
	Position              int64
}

// Payment is the dataName payment of POST /payments, folded from stream payment-<id>; its allocations are the rows of the
// object feePayment. Never change one: values are shared.
type Payment struct {
	Tenant   string
	ID       string
	UserID   string
	Tender   string
	Amount   money.Amount
	Credit   money.Amount // the rest that became a credit, zero for none
	Rows     []FeePayment // in the order of the payment's allocations
	Position int64
}

// FeeStatus is the contract's enum fee.status; its numbers are the wire's.
type FeeStatus int

// The values of fee.status.
const (
	FeeUnpaid FeeStatus = iota
	FeePaymentInProgress
	FeePaid
	FeeWaived
	FeeCanceled
)

// PaymentMethod is the contract's enum feePayment.paymentMethod.
type PaymentMethod int

// The values of feePayment.paymentMethod. Tenders without a word of their own are PaymentMethodOther.
const (
	PaymentMethodStripe PaymentMethod = iota
	PaymentMethodCash
	PaymentMethodPOS
	PaymentMethodOther
)

// PaymentStatus is the contract's enum feePayment.paymentStatus.
type PaymentStatus int

// The values of feePayment.paymentStatus.
const (
	PaymentPending PaymentStatus = iota
	PaymentComplete
	PaymentFailed
	PaymentCanceled
)
