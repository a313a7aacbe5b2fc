package credit

import (
	"time"

	"payledger/domain/money"
)

// Command asks for a change of the credits of a person at the time At.
//
//sumtype:decl
type Command interface{ isCreditCommand() }

// Grant adds a lot.
type Grant struct {
	CreditID, UserID string
	Amount           money.Amount
	Source           Source
	PaymentID        string
	Reason, Note     string
	At               time.Time
}

// Spend takes an amount of a lot for a fee.
type Spend struct {
	CreditID, FeeID, AllocationID string
	Amount                        money.Amount
	At                            time.Time
}

// Return gives a lot back an amount that an allocation had spent of it.
type Return struct {
	AllocationID string
	Amount       money.Amount
	At           time.Time
}

// Reverse takes a lot back. Nothing of it may be spent.
type Reverse struct {
	CreditID string
	Cause    Cause
	At       time.Time
}

func (Grant) isCreditCommand()   {}
func (Spend) isCreditCommand()   {}
func (Return) isCreditCommand()  {}
func (Reverse) isCreditCommand() {}
