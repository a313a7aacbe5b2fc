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

// ReductionReleased (fee.reduction_released) takes part or all of a reduction
// back, because the fee shrinks or falls away. Nothing is paid out for it.
type ReductionReleased struct {
	ReductionID string       `json:"reductionId"`
	Amount      money.Amount `json:"amount"`
}

// Cancelled (fee.cancelled) says that the fee should never have been: its whole
// gross amount, given here, falls away; zero if nothing was charged any more. A
// hidden fee is shown no longer.
type Cancelled struct {
	Amount money.Amount `json:"amount"`
	Cause  Cause        `json:"cause"`
	Hidden bool         `json:"hidden"`
	Note   string       `json:"note"   sealed:"true"`
}

// Adjusted (fee.adjusted) changes what is charged, by the amount. A decrease comes
// behind the events that take back what it leaves no room for.
type Adjusted struct {
	AdjustmentID string       `json:"adjustmentId"`
	Direction    Direction    `json:"direction"`
	Amount       money.Amount `json:"amount"`
	Reason       string       `json:"reason"`
	Note         string       `json:"note"         sealed:"true"`
}

// WrittenOff (fee.written_off) says that part or all of what was owed won't be
// collected: a reduction, under an id of its own.
type WrittenOff struct {
	ReductionID string       `json:"reductionId"`
	Amount      money.Amount `json:"amount"`
	Reason      string       `json:"reason"`
	Note        string       `json:"note"        sealed:"true"`
}

// ReductionReversed (fee.reduction_reversed) says that staff took a reduction back:
// all that was live of it is owed again.
type ReductionReversed struct {
	ReductionID string       `json:"reductionId"`
	Amount      money.Amount `json:"amount"`
	Reason      string       `json:"reason"`
	Note        string       `json:"note"        sealed:"true"`
}

// WriteOffRecovered (fee.write_off_recovered) takes part or all of a write-off back,
// because a payment that names the fee brings the money after all. The fee owes it
// again until that payment is applied, in the same commit.
type WriteOffRecovered struct {
	ReductionID  string       `json:"reductionId"`
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// RecoveryReversed (fee.recovery_reversed) writes off again what an allocation had
// recovered, because its money was taken off the fee, earlier in the same commit.
type RecoveryReversed struct {
	ReductionID  string       `json:"reductionId"`
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// NoteAdded (fee.note_added) is something said about the fee. It leaves the fee's
// own note alone.
type NoteAdded struct {
	NoteID     string     `json:"noteId"`
	Visibility Visibility `json:"visibility"`
	Note       string     `json:"note"       sealed:"true"`
}

// NoteChanged (fee.note_changed) replaces what an added note says.
type NoteChanged struct {
	NoteID string `json:"noteId"`
	Note   string `json:"note"   sealed:"true"`
}

// NoteHidden (fee.note_hidden) says that an added note is shown no longer.
type NoteHidden struct {
	NoteID string `json:"noteId"`
}

// PaymentReserved (fee.payment_reserved) holds part or all of what is owed for a
// payment that has started but brought no money yet.
type PaymentReserved struct {
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// ReservationReleased (fee.reservation_released) ends a reservation, all of it.
type ReservationReleased struct {
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
	Cause        ReleaseCause `json:"cause"`
}

// PaymentApplied (fee.payment_applied) settles part or all of what was owed with
// money of a payment.
type PaymentApplied struct {
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// PaymentUnapplied (fee.payment_unapplied) takes money of a payment off the fee,
// part or all of what one allocation had put there.
type PaymentUnapplied struct {
	PaymentID    string       `json:"paymentId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
	Cause        UnapplyCause `json:"cause"`
}

// CreditApplied (fee.credit_applied) settles part or all of what was owed with
// money of a credit.
type CreditApplied struct {
	CreditID     string       `json:"creditId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// CreditUnapplied (fee.credit_unapplied) takes money of a credit off the fee, part
// or all of what one allocation had put there.
type CreditUnapplied struct {
	CreditID     string       `json:"creditId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
	Cause        UnapplyCause `json:"cause"`
}

// Annotated (fee.annotated) replaces the note of the fee.
type Annotated struct {
	Note string `json:"note" sealed:"true"`
}

func (Assessed) isFeeEvent()            {}
func (Waived) isFeeEvent()              {}
func (ReductionReleased) isFeeEvent()   {}
func (Cancelled) isFeeEvent()           {}
func (Adjusted) isFeeEvent()            {}
func (WrittenOff) isFeeEvent()          {}
func (ReductionReversed) isFeeEvent()   {}
func (WriteOffRecovered) isFeeEvent()   {}
func (RecoveryReversed) isFeeEvent()    {}
func (NoteAdded) isFeeEvent()           {}
func (NoteChanged) isFeeEvent()         {}
func (NoteHidden) isFeeEvent()          {}
func (PaymentReserved) isFeeEvent()     {}
func (ReservationReleased) isFeeEvent() {}
func (PaymentApplied) isFeeEvent()      {}
func (PaymentUnapplied) isFeeEvent()    {}
func (CreditApplied) isFeeEvent()       {}
func (CreditUnapplied) isFeeEvent()     {}
func (Annotated) isFeeEvent()           {}
