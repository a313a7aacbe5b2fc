package credit

import (
	"time"

	"payledger/domain/money"
)

// Event is a fact about the credits of a person. Amounts are more than zero; an
// empty string means absent. Fields tagged sealed are stored encrypted under the
// person's key.
//
//sumtype:decl
type Event interface{ isCreditEvent() }

// Granted (credit.granted) says that the person has a lot of money with the
// library from GrantedAt on. PaymentID is empty for money that no payment brought.
type Granted struct {
	CreditID  string       `json:"creditId"`
	UserID    string       `json:"userId"`
	Amount    money.Amount `json:"amount"`
	Source    Source       `json:"source"`
	PaymentID string       `json:"paymentId"`
	GrantedAt time.Time    `json:"grantedAt"`
	Reason    string       `json:"reason"`
	Note      string       `json:"note"      sealed:"true"`
}

// Spent (credit.spent) says that part or all of what was left of a lot settles a fee.
type Spent struct {
	CreditID     string       `json:"creditId"`
	FeeID        string       `json:"feeId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// Returned (credit.returned) gives a lot back part or all of what an allocation
// had spent of it.
type Returned struct {
	CreditID     string       `json:"creditId"`
	AllocationID string       `json:"allocationId"`
	Amount       money.Amount `json:"amount"`
}

// Reversed (credit.reversed) takes back a lot, none of which is spent.
type Reversed struct {
	CreditID string       `json:"creditId"`
	Amount   money.Amount `json:"amount"`
	Cause    Cause        `json:"cause"`
}

func (Granted) isCreditEvent()  {}
func (Spent) isCreditEvent()    {}
func (Returned) isCreditEvent() {}
func (Reversed) isCreditEvent() {}

// Source is where the money of a credit comes from.
type Source string

// The sources.
const (
	SourceOverpayment  Source = "overpayment"  // the rest of a payment that no fee took
	SourceGoodwill     Source = "goodwill"     // of the library, without a payment
	SourceReallocation Source = "reallocation" // taken off a fee by staff
	SourceAdjustment   Source = "adjustment"   // paid on a fee that shrank below it
)

func (s Source) known() bool {
	switch s {
	case SourceOverpayment, SourceGoodwill, SourceReallocation, SourceAdjustment:
		return true
	}
	return false
}

// Cause says why a lot was taken back.
type Cause string

// CauseVoid is the void of the payment that the lot's money came from.
const CauseVoid Cause = "void"
