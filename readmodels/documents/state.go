package documents

import (
	"encoding/json"
	"fmt"
	"time"

	"payledger/domain/money"
	"payledger/readmodels"
)

// state is the stored form of what a document is folded from. Its parts are converted to and from the row types, which compiles
// only while the fields are the same: a changed row type asks for a new version of the projection here.
type state struct {
	Fee      *feeState      `json:"fee"`
	Payments []paymentState `json:"payments"`
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
	Cancelled        bool                 `json:"cancelled"`
	Position         int64                `json:"position"`
}

type paymentState struct {
	Tenant                string                   `json:"tenant"`
	ID                    string                   `json:"id"`
	PaymentID             string                   `json:"paymentId"`
	FeeID                 string                   `json:"feeId"`
	AmountPaid            money.Amount             `json:"amountPaid"`
	UserID                string                   `json:"userId"`
	PaymentMethod         readmodels.PaymentMethod `json:"paymentMethod"`
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

func encodeState(d *readmodels.Document) ([]byte, error) {
	s := state{Payments: make([]paymentState, len(d.Payments))}
	if d.Fee != nil {
		fee := feeState(*d.Fee)
		s.Fee = &fee
	}
	for i, p := range d.Payments {
		s.Payments[i] = paymentState(*p)
	}
	return json.Marshal(s)
}

func decodeState(text []byte) (*readmodels.Document, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("stored state of a document: %w", err)
	}
	var d readmodels.Document
	if s.Fee != nil {
		fee := readmodels.Fee(*s.Fee)
		d.Fee = &fee
	}
	for _, p := range s.Payments {
		row := readmodels.FeePayment(p)
		d.Payments = append(d.Payments, &row)
	}
	return &d, nil
}
