package audit

import (
	"strings"
	"time"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/readmodels/history"
)

// sentence says who did what, when and why.
func sentence(ev catalog.Event, e history.Entry) string {
	var b strings.Builder
	b.WriteString(e.EffectiveAt.UTC().Format(time.RFC3339) + " " + e.Actor.Kind + " " + e.Actor.ID + " " + deed(ev, e))
	if e.Reason != "" {
		b.WriteString(", reason: " + e.Reason)
	}
	if e.Note != "" {
		b.WriteString(", note: " + e.Note)
	}
	if late := e.RecordedAt.Sub(e.EffectiveAt); late >= day {
		b.WriteString(" (recorded " + e.RecordedAt.UTC().Format(time.RFC3339) + ")")
	}
	return b.String()
}

// deed says what an event did.
func deed(ev catalog.Event, e history.Entry) string {
	sum := e.Amount.String()
	switch d := ev.Data.(type) {
	case fee.Assessed:
		return "charged " + sum
	case fee.Adjusted:
		if d.Direction == fee.DirectionDecrease {
			return "lowered the charge by " + d.Amount.String()
		}
		return "raised the charge by " + sum
	case fee.Waived:
		return "waived " + sum
	case fee.WrittenOff:
		return "wrote off " + sum
	case fee.ReductionReleased:
		return "released " + sum + " of reduction " + d.ReductionID + ", because the charge shrank"
	case fee.ReductionReversed:
		return "took reduction " + d.ReductionID + " of " + sum + " back"
	case fee.WriteOffRecovered:
		return "recovered " + sum + " of write-off " + d.ReductionID + by(d.PaymentID)
	case fee.RecoveryReversed:
		return "wrote " + sum + " off again that payment " + d.PaymentID + " had recovered"
	case fee.Cancelled:
		return "cancelled the charge of " + sum
	case fee.PaymentApplied:
		return "settled " + sum + " by payment " + d.PaymentID
	case fee.PaymentUnapplied:
		return "took " + sum + " of payment " + d.PaymentID + " off the fee"
	case fee.CreditApplied:
		return "settled " + sum + " by credit " + d.CreditID
	case fee.CreditUnapplied:
		return "took " + sum + " of credit " + d.CreditID + " off the fee"
	case credit.Granted:
		return "granted credit " + d.CreditID + " of " + sum + " (" + string(d.Source) + ")" + by(d.PaymentID)
	case credit.Spent:
		return "spent " + sum + " of credit " + d.CreditID + " on fee " + d.FeeID
	case credit.Returned:
		return "gave " + sum + " back to credit " + d.CreditID
	case credit.Reversed:
		return "took credit " + d.CreditID + " of " + sum + " back"
	case payment.Captured:
		return "took " + sum + " as payment " + d.PaymentID + ", tender: " + string(d.Tender)
	case payment.Voided:
		return "voided payment " + e.PaymentID + " of " + sum
	case payment.Reallocated:
		return "moved " + sum + " of payment " + e.PaymentID
	}
	return ev.Type + " " + sum
}

func by(paymentID string) string {
	if paymentID == "" {
		return ""
	}
	return " by payment " + paymentID
}
