package documents

import (
	"encoding/json"
	"fmt"
	"time"

	"payledger/domain/extension"
	"payledger/domain/money"
	"payledger/readmodels"
)

// state is the stored form of what a document is folded from: its row, one of the first six, and what belongs to it. Its parts
// are converted to and from the row types, which compiles only while the fields are the same: a changed row type asks for a
// new version of the projection here.
type state struct {
	Fee             *feeState             `json:"fee,omitempty"`
	FeePayment      *feePaymentState      `json:"feePayment,omitempty"`
	GatewayPayment  *gatewayPaymentState  `json:"gatewayPayment,omitempty"`
	FeeEvent        *feeEventState        `json:"feeEvent,omitempty"`
	PaymentCustomer *paymentCustomerState `json:"paymentCustomer,omitempty"`
	PaymentMethod   *paymentMethodState   `json:"paymentMethod,omitempty"`
	Payments        []feePaymentState     `json:"payments,omitempty"`
	Events          []feeEventState       `json:"events,omitempty"`
	Extensions      []extensionState      `json:"extensions,omitempty"`
}

type extensionState struct {
	Name     string              `json:"name"`
	Elements []extension.Element `json:"elements"`
}

type feeState struct {
	Tenant           string               `json:"tenant"`
	ID               string               `json:"id"`
	UserID           string               `json:"userId"`
	LoanID           string               `json:"loanId"`
	Amount           money.Amount         `json:"amount"`
	Status           readmodels.FeeStatus `json:"status"`
	StatusUpdateDate time.Time            `json:"statusUpdateDate"`
	Reason           string               `json:"reason"`
	Note             string               `json:"note"`
	IsActive         bool                 `json:"isActive"`
	RecordVersion    int64                `json:"recordVersion"`
	CreatedAt        time.Time            `json:"createdAt"`
	UpdatedAt        time.Time            `json:"updatedAt"`
	Paid             money.Amount         `json:"paid"`
	Reduced          money.Amount         `json:"reduced"`
	Reserved         money.Amount         `json:"reserved"`
	Cancelled        bool                 `json:"cancelled"`
	StreamVersion    int64                `json:"streamVersion"`
	Position         int64                `json:"position"`
}

type feePaymentState struct {
	Tenant                string                   `json:"tenant"`
	ID                    string                   `json:"id"`
	PaymentID             string                   `json:"paymentId"`
	FeeID                 string                   `json:"feeId"`
	AmountPaid            money.Amount             `json:"amountPaid"`
	UserID                string                   `json:"userId"`
	PaymentMethod         readmodels.PaidBy        `json:"paymentMethod"`
	PaymentStatus         readmodels.PaymentStatus `json:"paymentStatus"`
	PaymentDate           time.Time                `json:"paymentDate"`
	StripePaymentIntentID string                   `json:"stripePaymentIntentId"`
	HandledByUserID       string                   `json:"handledByUserId"`
	Note                  string                   `json:"note"`
	IsActive              bool                     `json:"isActive"`
	RecordVersion         int64                    `json:"recordVersion"`
	CreatedAt             time.Time                `json:"createdAt"`
	UpdatedAt             time.Time                `json:"updatedAt"`
	Position              int64                    `json:"position"`
}

type gatewayPaymentState struct {
	Tenant        string    `json:"tenant"`
	ID            string    `json:"id"`
	OwnerID       string    `json:"ownerId"`
	OrderID       string    `json:"orderId"`
	PaymentID     string    `json:"paymentId"`
	PaymentStatus string    `json:"paymentStatus"`
	StatusLiteral string    `json:"statusLiteral"`
	RedirectURL   string    `json:"redirectUrl"`
	IsActive      bool      `json:"isActive"`
	RecordVersion int64     `json:"recordVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Position      int64     `json:"position"`
}

type feeEventState struct {
	Tenant        string                  `json:"tenant"`
	ID            string                  `json:"id"`
	FeeID         string                  `json:"feeId"`
	UserID        string                  `json:"userId"`
	EventType     readmodels.FeeEventType `json:"eventType"`
	EventDate     time.Time               `json:"eventDate"`
	ActorUserID   string                  `json:"actorUserId"`
	Note          string                  `json:"note"`
	StaffOnly     bool                    `json:"staffOnly"`
	IsActive      bool                    `json:"isActive"`
	RecordVersion int64                   `json:"recordVersion"`
	CreatedAt     time.Time               `json:"createdAt"`
	UpdatedAt     time.Time               `json:"updatedAt"`
	Position      int64                   `json:"position"`
}

type paymentCustomerState struct {
	Tenant        string    `json:"tenant"`
	ID            string    `json:"id"`
	UserID        string    `json:"userId"`
	CustomerID    string    `json:"customerId"`
	Platform      string    `json:"platform"`
	IsActive      bool      `json:"isActive"`
	RecordVersion int64     `json:"recordVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Position      int64     `json:"position"`
}

type paymentMethodState struct {
	Tenant          string          `json:"tenant"`
	ID              string          `json:"id"`
	PaymentMethodID string          `json:"paymentMethodId"`
	UserID          string          `json:"userId"`
	CustomerID      string          `json:"customerId"`
	CardHolderName  string          `json:"cardHolderName"`
	CardHolderZip   string          `json:"cardHolderZip"`
	Platform        string          `json:"platform"`
	Card            readmodels.Card `json:"card"`
	IsActive        bool            `json:"isActive"`
	RecordVersion   int64           `json:"recordVersion"`
	CreatedAt       time.Time       `json:"createdAt"`
	UpdatedAt       time.Time       `json:"updatedAt"`
	Position        int64           `json:"position"`
}

func encodeState(d *readmodels.Document) ([]byte, error) {
	var s state
	switch r := d.Row.(type) {
	case *readmodels.Fee:
		s.Fee = (*feeState)(r)
	case *readmodels.FeePayment:
		s.FeePayment = (*feePaymentState)(r)
	case *readmodels.GatewayPayment:
		s.GatewayPayment = (*gatewayPaymentState)(r)
	case *readmodels.FeeEvent:
		s.FeeEvent = (*feeEventState)(r)
	case *readmodels.PaymentCustomer:
		s.PaymentCustomer = (*paymentCustomerState)(r)
	case *readmodels.PaymentMethod:
		s.PaymentMethod = (*paymentMethodState)(r)
	}
	for _, p := range d.Payments {
		s.Payments = append(s.Payments, feePaymentState(*p))
	}
	for _, e := range d.Events {
		s.Events = append(s.Events, feeEventState(*e))
	}
	for _, e := range d.Extensions {
		s.Extensions = append(s.Extensions, extensionState(e))
	}
	return json.Marshal(s)
}

func decodeState(text []byte) (*readmodels.Document, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("stored state of a document: %w", err)
	}
	var d readmodels.Document
	switch {
	case s.Fee != nil:
		d.Row = (*readmodels.Fee)(s.Fee)
	case s.FeePayment != nil:
		d.Row = (*readmodels.FeePayment)(s.FeePayment)
	case s.GatewayPayment != nil:
		d.Row = (*readmodels.GatewayPayment)(s.GatewayPayment)
	case s.FeeEvent != nil:
		d.Row = (*readmodels.FeeEvent)(s.FeeEvent)
	case s.PaymentCustomer != nil:
		d.Row = (*readmodels.PaymentCustomer)(s.PaymentCustomer)
	case s.PaymentMethod != nil:
		d.Row = (*readmodels.PaymentMethod)(s.PaymentMethod)
	}
	for i := range s.Payments {
		d.Payments = append(d.Payments, (*readmodels.FeePayment)(&s.Payments[i]))
	}
	for i := range s.Events {
		d.Events = append(d.Events, (*readmodels.FeeEvent)(&s.Events[i]))
	}
	for _, e := range s.Extensions {
		d.Extensions = append(d.Extensions, readmodels.Extension(e))
	}
	return &d, nil
}
