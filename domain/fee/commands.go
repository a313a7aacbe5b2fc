package fee

import (
	"time"

	"payledger/domain/money"
)

// Command asks for a change of a fee. At is when it takes effect; ids are made by
// the caller, so that a repeat carries the same ones.
//
//sumtype:decl
type Command interface{ isFeeCommand() }

// Assess charges a fee to a person.
type Assess struct {
	FeeID, UserID, LoanID string
	Amount                money.Amount
	Reason, Note          string
	At                    time.Time
}

// Adjust charges more or less. A decrease releases reductions that have no room
// any more, and takes off the money that is too much, the newest first.
type Adjust struct {
	AdjustmentID string
	Direction    Direction
	Amount       money.Amount
	Reason, Note string
	At           time.Time
}

// Waive forgives an amount of what is owed and not reserved. The zero value of
// Amount is all of it.
type Waive struct {
	ReductionID  string
	Amount       money.Amount
	Reason, Note string
	At           time.Time
}

// WriteOff gives up an amount of what is owed and not reserved. The zero value of
// Amount is all of it.
type WriteOff struct {
	ReductionID  string
	Amount       money.Amount
	Reason, Note string
	At           time.Time
}

// ReverseReduction takes a waiver or write-off back, all that is live of it.
type ReverseReduction struct {
	ReductionID  string
	Reason, Note string
	At           time.Time
}

// Cancel takes back a fee that should never have been. Hide also ends its being
// shown.
type Cancel struct {
	Cause Cause
	Hide  bool
	Note  string
	At    time.Time
}

// Reserve holds an amount of what is owed for a payment that has started.
type Reserve struct {
	PaymentID, AllocationID string
	Amount                  money.Amount
	At                      time.Time
}

// Release ends a reservation. One that has ended stays so.
type Release struct {
	AllocationID string
	Cause        ReleaseCause
	At           time.Time
}

// ApplyPayment settles an amount of what is owed with money of a payment, and what
// goes beyond that of what was written off.
type ApplyPayment struct {
	PaymentID, AllocationID string
	Amount                  money.Amount
	Captured                bool // the money had been reserved: it goes before what others hold
	At                      time.Time
}

// UnapplyPayment takes an amount off that an allocation of a payment had put on
// the fee. What it had recovered of a write-off is written off again.
type UnapplyPayment struct {
	AllocationID string
	Amount       money.Amount
	Cause        UnapplyCause
	At           time.Time
}

// ApplyCredit settles an amount of what is owed with money of a credit.
type ApplyCredit struct {
	CreditID, AllocationID string
	Amount                 money.Amount
	At                     time.Time
}

// Annotate replaces the note of the fee.
type Annotate struct {
	Note string
	At   time.Time
}

// AddNote says something about the fee, beside its own note.
type AddNote struct {
	NoteID     string
	Visibility Visibility
	Note       string
	At         time.Time
}

// ChangeNote replaces what an added note says.
type ChangeNote struct {
	NoteID, Note string
	At           time.Time
}

// HideNote ends the showing of an added note.
type HideNote struct {
	NoteID string
	At     time.Time
}

func (Assess) isFeeCommand()           {}
func (Adjust) isFeeCommand()           {}
func (Waive) isFeeCommand()            {}
func (WriteOff) isFeeCommand()         {}
func (ReverseReduction) isFeeCommand() {}
func (Cancel) isFeeCommand()           {}
func (Reserve) isFeeCommand()          {}
func (Release) isFeeCommand()          {}
func (ApplyPayment) isFeeCommand()     {}
func (UnapplyPayment) isFeeCommand()   {}
func (ApplyCredit) isFeeCommand()      {}
func (Annotate) isFeeCommand()         {}
func (AddNote) isFeeCommand()          {}
func (ChangeNote) isFeeCommand()       {}
func (HideNote) isFeeCommand()         {}
