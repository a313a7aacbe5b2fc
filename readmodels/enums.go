package readmodels

import (
	"slices"
	"strconv"
)

// FeeStatus is the contract's enum fee.status; its numbers are the wire's.
type FeeStatus int

// The values of fee.status.
const (
	FeeUnpaid FeeStatus = iota
	FeePaymentInProgress
	FeePaid
	FeeWaived
	FeeCanceled
)

// PaidBy is the contract's enum feePayment.paymentMethod.
type PaidBy int

// The values of feePayment.paymentMethod. Tenders without a word of their own are PaidByOther.
const (
	PaidByStripe PaidBy = iota
	PaidByCash
	PaidByPOS
	PaidByOther
)

// PaymentStatus is the contract's enum feePayment.paymentStatus.
type PaymentStatus int

// The values of feePayment.paymentStatus.
const (
	PaymentPending PaymentStatus = iota
	PaymentComplete
	PaymentFailed
	PaymentCanceled
)

// FeeEventType is the contract's enum feeEvent.eventType.
type FeeEventType int

// The values of feeEvent.eventType.
const (
	EventAssessed FeeEventType = iota
	EventPaymentAttempt
	EventPaymentSuccess
	EventPaymentFail
	EventWaived
	EventCanceled
	EventNote
)

// feeStatusNames and the like are the contract's words, at their numbers.
var (
	feeStatusNames     = [...]string{"unpaid", "paymentInProgress", "paid", "waived", "canceled"}
	paidByNames        = [...]string{"stripe", "cash", "pos", "other"}
	paymentStatusNames = [...]string{"pending", "complete", "failed", "canceled"}
	feeEventTypeNames  = [...]string{"assessed", "paymentAttempt", "paymentSuccess", "paymentFail", "waived", "canceled", "note"}
)

// String returns the contract's word, such as "unpaid".
func (s FeeStatus) String() string { return enumName(feeStatusNames[:], int(s)) }

// String returns the contract's word, such as "cash".
func (m PaidBy) String() string { return enumName(paidByNames[:], int(m)) }

// String returns the contract's word, such as "complete".
func (s PaymentStatus) String() string { return enumName(paymentStatusNames[:], int(s)) }

// String returns the contract's word, such as "assessed".
func (t FeeEventType) String() string { return enumName(feeEventTypeNames[:], int(t)) }

// FeeStatuses returns the contract's words of fee.status in order of their numbers.
func FeeStatuses() []string { return slices.Clone(feeStatusNames[:]) }

// PaymentMethods returns the contract's words of feePayment.paymentMethod in order of their numbers.
func PaymentMethods() []string { return slices.Clone(paidByNames[:]) }

// PaymentStatuses returns the contract's words of feePayment.paymentStatus in order of their numbers.
func PaymentStatuses() []string { return slices.Clone(paymentStatusNames[:]) }

// FeeEventTypes returns the contract's words of feeEvent.eventType in order of their numbers.
func FeeEventTypes() []string { return slices.Clone(feeEventTypeNames[:]) }

func enumName(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return strconv.Itoa(n)
	}
	return names[n]
}
