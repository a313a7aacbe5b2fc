// Package readmodels holds the rows and documents of the contract, their folds over events, and the queries over them.
// A row is folded from exactly one stream. The same folds serve the tables, the documents, the published messages, the
// answers of commands and as-of questions, so they can't disagree.
package readmodels

import (
	"strings"
	"time"

	"payledger/domain/money"
)

// Object names a row type of the contract by its name in payloads and, where one name has two shapes, the shape: the
// keys of read models and the header ledger-schema begin with it.
type Object string

// The objects of this version.
const (
	ObjectFee             Object = "fee"
	ObjectFeePayment      Object = "feePayment" // ledger shape: one allocation of a payment
	ObjectGatewayPayment  Object = "feePayment.gateway"
	ObjectFeeEvent        Object = "feeEvent"
	ObjectPaymentCustomer Object = "paymentCustomer"
	ObjectPaymentMethod   Object = "paymentMethod"
)

// ObjectCredit names the lots of credit where ids are looked up. They are no rows of the contract, so not among its objects.
const ObjectCredit = "credit"

// Objects returns all objects, each shape by itself.
func Objects() []Object {
	return []Object{ObjectFee, ObjectFeePayment, ObjectGatewayPayment, ObjectFeeEvent, ObjectPaymentCustomer, ObjectPaymentMethod}
}

// Name returns the object's name in payloads and topics, in camelCase: both shapes of feePayment have one.
func (o Object) Name() string {
	name, _, _ := strings.Cut(string(o), ".")
	return name
}

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
	// Key returns the row's id, its identity among the rows of its object and tenant.
	Key() string
	// Parent returns the id of the fee whose document shows this row as well, empty for none.
	Parent() string
	// Owner returns the id of the user whose row it is (_owner).
	Owner() string
	// Version returns the recordVersion.
	Version() int64
	// Active returns isActive.
	Active() bool
	// AppendJSON appends the row; withIndex adds the <enum>_idx keys that REST and route answers have.
	AppendJSON(dst []byte, withIndex bool) []byte
	// Deleted returns a copy with isActive false.
	Deleted() Row
}

// Change is what one event did to one row. Old is nil for created, else the row before. New is the row after; one that was
// deleted has isActive false.
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
	Paid          money.Amount // net of what payments and credits settled
	Reduced       money.Amount // waived, written off
	Reserved      money.Amount // for payments that are on their way
	Cancelled     bool
	StreamVersion int64 // of that event: notes of staff are events that don't change this row
	Position      int64
}

// FeeState is what the stream of a fee is folded to: its row, and of its feeEvents those that may still change. Never
// change one: values are shared.
type FeeState struct {
	Fee   *Fee
	Notes []*FeeEvent // hidden ones too
}

// Note returns a note by its id, nil for none.
func (s *FeeState) Note(id string) *FeeEvent {
	for _, n := range s.Notes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// FeeEvent is a row of the object feeEvent: an event of a fee's stream that matters to a reader.
type FeeEvent struct {
	Tenant        string
	ID            string // of the event; a note's own
	FeeID         string
	UserID        string // of the fee
	EventType     FeeEventType
	EventDate     time.Time
	ActorUserID   string // empty if no person did it
	Note          string
	StaffOnly     bool // a note that no member may see, nor the document of the fee show; no key of the payload
	IsActive      bool
	RecordVersion int64
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Position      int64
}

// FeePayment is a row of the object feePayment in its ledger shape: one allocation of a payment, folded from stream payment-<id>.
type FeePayment struct {
	Tenant                string
	ID                    string // allocation id
	PaymentID             string
	FeeID                 string
	AmountPaid            money.Amount
	UserID                string
	PaymentMethod         PaidBy
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
	Rows     []FeePayment // in the order in which money was allocated, those that hold none any more too
	Position int64
}

// GatewayPayment is a row of the object feePayment in its gateway shape, folded from stream gatewaypayment-<id>. Never
// change one: values are shared.
type GatewayPayment struct {
	Tenant        string
	ID            string
	OwnerID       string
	OrderID       string // of the fee
	PaymentID     string // the gateway's
	PaymentStatus string // the gateway's word
	StatusLiteral string // started, success, failed, canceled
	RedirectURL   string
	IsActive      bool
	RecordVersion int64
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Position      int64
}

// PaymentCustomer is a row of the object paymentCustomer: who a person is to the gateway.
type PaymentCustomer struct {
	Tenant        string
	ID            string
	UserID        string
	CustomerID    string // the gateway's
	Platform      string
	IsActive      bool
	RecordVersion int64
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Position      int64
}

// PaymentMethod is a row of the object paymentMethod: a card that a person left with the gateway.
type PaymentMethod struct {
	Tenant          string
	ID              string
	PaymentMethodID string // the gateway's
	UserID          string
	CustomerID      string // the gateway's
	CardHolderName  string
	CardHolderZip   string
	Platform        string
	Card            Card
	IsActive        bool
	RecordVersion   int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Position        int64
}

// Card is all that is known of a card (cardInfo).
type Card struct {
	Brand    string `json:"brand"`
	Last4    string `json:"last4"`
	ExpMonth int    `json:"expMonth"`
	ExpYear  int    `json:"expYear"`
}

// CustomerState is what the stream customer-<userId> is folded to. Never change one: values are shared.
type CustomerState struct {
	Customers []*PaymentCustomer // one for each of the ids that the events give
	Methods   []*PaymentMethod   // detached ones too
}

// Credits are the credits of a person, folded from stream credit-<userId>. They are no row of the contract. Never change
// one: values are shared.
type Credits struct {
	Lots []CreditLot // in the order of their granting, spent ones too
}

// Lot returns a lot by its id, nil for none.
func (c *Credits) Lot(id string) *CreditLot {
	if c == nil {
		return nil
	}
	for i := range c.Lots {
		if c.Lots[i].ID == id {
			return &c.Lots[i]
		}
	}
	return nil
}

// CreditLot is one credit, and what is left of it.
type CreditLot struct {
	Tenant    string
	ID        string
	UserID    string
	Source    string
	PaymentID string // empty for none
	Granted   money.Amount
	Remaining money.Amount
	GrantedAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	Position  int64
}
