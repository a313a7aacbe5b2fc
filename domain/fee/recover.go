package fee

import (
	"slices"

	"payledger/domain/money"
)

// recovers returns the events by which a payment gets at what was written off: of its
// amount what goes beyond what is owed, the oldest write-off first.
func (s State) recovers(c ApplyPayment) []Event {
	if s.Cancelled || c.Amount.Currency() != s.Currency {
		return nil
	}
	var events []Event
	beyond := minus(c.Amount, s.Outstanding())
	for _, r := range s.reductions {
		part := money.Min(r.live, beyond)
		if !r.writtenOff || !part.IsPositive() {
			continue
		}
		events = append(events, WriteOffRecovered{ReductionID: r.id, PaymentID: c.PaymentID, AllocationID: c.AllocationID, Amount: part})
		beyond = minus(beyond, part)
	}
	return events
}

// recovered says whether money on the fee came for a write-off.
func (s State) recovered(reductionID string) bool {
	return slices.ContainsFunc(s.recoveries, func(r recovery) bool { return r.reductionID == reductionID && r.live.IsPositive() })
}

// takenOff returns the events by which money of an allocation of a payment goes off the
// fee. What it had recovered goes first, the newest first, and is written off again.
func (s State) takenOff(a allocation, amount money.Amount, cause UnapplyCause) []Event {
	events := []Event{PaymentUnapplied{PaymentID: a.paymentID, AllocationID: a.id, Amount: amount, Cause: cause}}
	for _, r := range slices.Backward(s.recoveries) {
		part := money.Min(r.live, amount)
		if r.allocationID != a.id || !part.IsPositive() {
			continue
		}
		events = append(events, RecoveryReversed{ReductionID: r.reductionID, PaymentID: a.paymentID, AllocationID: a.id, Amount: part})
		amount = minus(amount, part)
	}
	return events
}
