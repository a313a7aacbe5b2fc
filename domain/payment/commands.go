package payment

import (
	"time"

	"payledger/domain/money"
)

// Command asks for a change of a payment.
//
//sumtype:decl
type Command interface{ isPaymentCommand() }

// Record captures money that was taken at At. What the allocations leave over
// becomes the credit CreditID, which may be empty if nothing can be left over.
type Record struct {
	PaymentID, UserID     string
	Tender                Tender
	Amount                money.Amount
	HandledBy             string
	Allocations           []Allocation
	StripePaymentIntentID string
	CreditID, Note        string
	At                    time.Time
}

// Start announces money. The allocations must be all of it.
type Start struct {
	PaymentID, UserID     string
	Tender                Tender
	Amount                money.Amount
	HandledBy             string
	Allocations           []Allocation
	StripePaymentIntentID string
	Note                  string
}

// Capture says that the money of a started payment arrived. Allocations are those
// that it started with, each with what its fee takes now, without those whose fee
// takes nothing. What they leave over becomes the credit CreditID, which may be
// empty if nothing can be left over.
type Capture struct {
	Allocations    []Allocation
	CreditID, Note string
}

// Fail says that a started payment brings no money.
type Fail struct{ Reason, Note string }

// Cancel calls a started payment off. Hide also ends its being shown.
type Cancel struct {
	Reason, Note string
	Hide         bool
}

// Void says that a captured payment was a mistake. Hide also ends its being shown.
type Void struct {
	Reason, Note string
	Outcome      Outcome
	Hide         bool
}

// Reallocate moves money from allocations to new ones, and what those leave over
// to the credit CreditID, which may be empty if nothing can be left over.
type Reallocate struct {
	Taken        []Taken // FeeID is looked up
	Given        []Allocation
	CreditID     string
	Cause        Cause
	Reason, Note string
}

// Annotate replaces the note of an allocation.
type Annotate struct{ AllocationID, Note string }

func (Record) isPaymentCommand()     {}
func (Start) isPaymentCommand()      {}
func (Capture) isPaymentCommand()    {}
func (Fail) isPaymentCommand()       {}
func (Cancel) isPaymentCommand()     {}
func (Void) isPaymentCommand()       {}
func (Reallocate) isPaymentCommand() {}
func (Annotate) isPaymentCommand()   {}
