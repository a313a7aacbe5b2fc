package fee

import (
	"time"

	"payledger/domain/money"
)

// Event is a fact about a fee. Amounts are more than zero; an empty string means
// absent. Fields tagged sealed are stored encrypted under the person's key.
//
//sumtype:decl
type Event interface{ isFeeEvent() }

// Assessed (fee.assessed) says that a person owes a fee, from AssessedAt on.
type Assessed struct {
	FeeID      string       `json:"feeId"`
	UserID     string       `json:"userId"`
	LoanID     string       `json:"loanId"`
	Amount     money.Amount `json:"amount"`
	Reason     string       `json:"reason"`
	Note       string       `json:"note"       sealed:"true"`
	AssessedAt time.Time    `json:"assessedAt"`
}

// Waived (fee.waived) says that part or all of what was owed is forgiven: a
// reduction, under an id of its own.
type Waived struct {
	ReductionID string       `json:"reductionId"`
	Amount      money.Amount `json:"amount"`
	Reason      string       `json:"reason"`
	Note        string       `json:"note"        sealed:"true"`
}

// ReductionReleased (fee.reduction_released) takes a reduction back, because the
// fee itself falls away.
type ReductionReleased struct {
	ReductionID string       `json:"reductionId"`
	Amount      money.Amount `json:"amount"`
}

// Cancelled (fee.cancelled) says that the fee should never have been: its whole
// gross amount, given here, falls away.
type Cancelled struct {
	Amount money.Amount `json:"amount"`
	Cause  Cause        `json:"cause"`
	Note   string       `json:"note"   sealed:"true"`
}

// PaymentApplied (fee.payment_applied) settles part or all of what was owed with
// money of a payment.
type PaymentApplied struct {
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// Annotated (fee.annotated) replaces the note of the fee.
type Annotated struct {
	Note string `json:"note" sealed:"true"`
}

func (Assessed) isFeeEvent()          {}
func (Waived) isFeeEvent()            {}
func (ReductionReleased) isFeeEvent() {}
func (Cancelled) isFeeEvent()         {}
func (PaymentApplied) isFeeEvent()    {}
func (Annotated) isFeeEvent()         {}
