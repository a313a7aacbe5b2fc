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

// Waive forgives an amount of what is owed. The zero value of Amount is all of it.
type Waive struct {
	ReductionID  string
	Amount       money.Amount
	Reason, Note string
	At           time.Time
}

// Cancel takes back a fee that should never have been.
type Cancel struct {
	Cause Cause
	Note  string
	At    time.Time
}

// ApplyPayment settles an amount of what is owed with money of a payment.
type ApplyPayment struct {
	PaymentID, AllocationID string
	Amount                  money.Amount
	At                      time.Time
}

// Annotate replaces the note of the fee.
type Annotate struct {
	Note string
	At   time.Time
}

func (Assess) isFeeCommand()       {}
func (Waive) isFeeCommand()        {}
func (Cancel) isFeeCommand()       {}
func (ApplyPayment) isFeeCommand() {}
func (Annotate) isFeeCommand()     {}
