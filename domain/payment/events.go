package payment

import "payledger/domain/money"

// Event is a fact about a payment. An empty string means absent. Fields tagged
// sealed are stored encrypted under the person's key.
//
//sumtype:decl
type Event interface{ isPaymentEvent() }

// Started (payment.started) says that money is on its way: Amount = sum of the
// allocations, which are reserved on their fees. Nothing is paid yet.
type Started struct {
	PaymentID             string       `json:"paymentId"`
	UserID                string       `json:"userId"`
	Tender                Tender       `json:"tender"`
	Amount                money.Amount `json:"amount"`
	HandledBy             string       `json:"handledBy"`
	Allocations           []Allocation `json:"allocations"`
	StripePaymentIntentID string       `json:"stripePaymentIntentId"`
	Note                  string       `json:"note"                  sealed:"true"`
}

// Captured (payment.captured) says that money arrived, and where it went:
// Amount = sum of the allocations + Credit. CreditID is empty when Credit is zero.
// It is the first event of a payment, or follows Started: then an allocation keeps
// its id, and has what its fee still owed, or is missing where that was nothing.
type Captured struct {
	PaymentID             string       `json:"paymentId"`
	UserID                string       `json:"userId"`
	Tender                Tender       `json:"tender"`
	Amount                money.Amount `json:"amount"`
	HandledBy             string       `json:"handledBy"`
	Allocations           []Allocation `json:"allocations"`
	CreditID              string       `json:"creditId"`
	Credit                money.Amount `json:"credit"`
	StripePaymentIntentID string       `json:"stripePaymentIntentId"`
	Note                  string       `json:"note"                  sealed:"true"`
}

// Failed (payment.failed) ends a payment that had started: no money came.
type Failed struct {
	PaymentID string `json:"paymentId"`
	Reason    string `json:"reason"`
	Note      string `json:"note"      sealed:"true"`
}

// Cancelled (payment.cancelled) ends a payment that had started, because somebody
// wanted it to. A hidden payment is shown no longer.
type Cancelled struct {
	PaymentID string `json:"paymentId"`
	Reason    string `json:"reason"`
	Hidden    bool   `json:"hidden"`
	Note      string `json:"note"      sealed:"true"`
}

// Voided (payment.voided) says that a captured payment was a mistake: no money
// came. Amount is all that was captured; fees and credits are rid of it in the
// same commit. A hidden payment is shown no longer.
type Voided struct {
	Amount  money.Amount `json:"amount"`
	Reason  string       `json:"reason"`
	Outcome Outcome      `json:"outcome"`
	Hidden  bool         `json:"hidden"`
	Note    string       `json:"note"    sealed:"true"`
}

// Reallocated (payment.reallocated) moves money of a captured payment: what is
// taken from allocations, part or all of each, is given to new ones and to a
// credit. Sum of Taken = sum of Given + Credit. CreditID is empty when Credit is
// zero.
type Reallocated struct {
	Taken    []Taken      `json:"taken"`
	Given    []Allocation `json:"given"`
	CreditID string       `json:"creditId"`
	Credit   money.Amount `json:"credit"`
	Cause    Cause        `json:"cause"`
	Reason   string       `json:"reason"`
	Note     string       `json:"note"     sealed:"true"`
}

// Annotated (payment.annotated) replaces the note of one allocation.
type Annotated struct {
	AllocationID string `json:"allocationId"`
	Note         string `json:"note"         sealed:"true"`
}

func (Started) isPaymentEvent()     {}
func (Captured) isPaymentEvent()    {}
func (Failed) isPaymentEvent()      {}
func (Cancelled) isPaymentEvent()   {}
func (Voided) isPaymentEvent()      {}
func (Reallocated) isPaymentEvent() {}
func (Annotated) isPaymentEvent()   {}

// Allocation is the part of a payment that goes to one fee, under an id of its own.
type Allocation struct {
	ID     string       `json:"id"`
	FeeID  string       `json:"feeId"`
	Amount money.Amount `json:"amount"`
}

// Taken is money that an allocation loses.
type Taken struct {
	AllocationID string       `json:"allocationId"`
	FeeID        string       `json:"feeId"`
	Amount       money.Amount `json:"amount"`
}

// Tender is how money arrived.
type Tender string

// The tenders.
const (
	TenderCash  Tender = "cash"
	TenderPOS   Tender = "pos" // a card at the desk's own terminal
	TenderCheck Tender = "check"
	TenderOther Tender = "other"
)

func (t Tender) known() bool {
	switch t {
	case TenderCash, TenderPOS, TenderCheck, TenderOther:
		return true
	}
	return false
}

// Outcome is the word that a payment without money has in the API.
type Outcome string

// The outcomes.
const (
	OutcomeFailed   Outcome = "failed"
	OutcomeCanceled Outcome = "canceled"
)

// Cause says why money of a payment was moved.
type Cause string

// The causes of a reallocation.
const (
	CauseReallocation Cause = "reallocation" // staff wanted it
	CauseAdjustment   Cause = "adjustment"   // a fee shrank below what was settled
)
