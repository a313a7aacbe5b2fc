package history

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	"payledger/internal/jsontext"
)

// EntryOf tells an event, but for what its fold adds: what is owed on a fee after it.
func EntryOf(ev catalog.Event) Entry {
	e := Entry{
		Position: ev.Position, RecordedAt: ev.RecordedAt, EffectiveAt: ev.EffectiveAt, Type: ev.Type, Actor: ev.Meta.Actor,
		EventID: ev.ID, RequestID: ev.Meta.RequestID, Channel: ev.Meta.Channel, PaymentID: paymentOf(ev),
	}
	switch d := ev.Data.(type) {
	case fee.Event:
		e.FeeID = strings.TrimPrefix(ev.Stream.Name, fee.Stream(""))
		e.ofFee(d)
	case payment.Event:
		e.ofPayment(d)
	case credit.Event:
		e.ofCredit(d)
	case gateway.Recorded:
		e.FeeID, e.Reason = d.OrderID, d.StatusLiteral
	case gateway.Updated:
		e.Reason = d.StatusLiteral
	case customer.MethodDetached:
		e.Reason = d.Cause
	case policy.ProfileSet:
		e.Reason = string(d.Profile)
	case evidence.ReportMade:
		e.Reason = d.Kind
	case evidence.Rebuilt:
		e.Reason = fmt.Sprintf("%s v%d at %d", d.Projection, d.Version, d.Position)
	case person.Erased:
		e.Reason = d.Reason
	case evidence.Read:
		e.Reason = strings.Join(strings.Fields(d.Question+" "+d.Object+" "+d.ID), " ")
	}
	return e
}

func (e *Entry) ofFee(event fee.Event) {
	switch d := event.(type) {
	case fee.Assessed:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.Adjusted:
		if d.Direction == fee.DirectionDecrease {
			d.Amount = money.New(-d.Amount.Minor(), d.Amount.Currency())
		}
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.Waived:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.WrittenOff:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.ReductionReleased:
		e.Amount = &d.Amount
	case fee.ReductionReversed:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.WriteOffRecovered:
		e.Amount = &d.Amount
	case fee.RecoveryReversed:
		e.Amount = &d.Amount
	case fee.Cancelled:
		e.Amount, e.Reason, e.Note = &d.Amount, string(d.Cause), d.Note
	case fee.PaymentReserved:
		e.Amount = &d.Amount
	case fee.ReservationReleased:
		e.Amount, e.Reason = &d.Amount, string(d.Cause)
	case fee.PaymentApplied:
		e.Amount = &d.Amount
	case fee.PaymentUnapplied:
		e.Amount, e.Reason = &d.Amount, string(d.Cause)
	case fee.CreditApplied:
		e.Amount = &d.Amount
	case fee.CreditUnapplied:
		e.Amount, e.Reason = &d.Amount, string(d.Cause)
	case fee.Annotated:
		e.Note = d.Note
	case fee.NoteAdded:
		e.Reason, e.Note = string(d.Visibility), d.Note
	case fee.NoteChanged:
		e.Note = d.Note
	case fee.NoteHidden:
	}
}

func (e *Entry) ofPayment(event payment.Event) {
	switch d := event.(type) {
	case payment.Started:
		e.Amount, e.Tender, e.Note = &d.Amount, string(d.Tender), d.Note
	case payment.Captured:
		e.Amount, e.Tender, e.Note = &d.Amount, string(d.Tender), d.Note
	case payment.Failed:
		e.Reason, e.Note = d.Reason, d.Note
	case payment.Cancelled:
		e.Reason, e.Note = d.Reason, d.Note
	case payment.Voided:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case payment.Reallocated:
		e.Amount, e.Reason, e.Note = moved(d), cmp.Or(d.Reason, string(d.Cause)), d.Note
	case payment.Annotated:
		e.Note = d.Note
	}
}

// moved returns all that a reallocation takes.
func moved(d payment.Reallocated) *money.Amount {
	sum := d.Credit
	for _, a := range d.Given {
		sum = money.New(sum.Minor()+a.Amount.Minor(), a.Amount.Currency())
	}
	return &sum
}

func (e *Entry) ofCredit(event credit.Event) {
	switch d := event.(type) {
	case credit.Granted:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case credit.Spent:
		e.Amount, e.FeeID = &d.Amount, d.FeeID
	case credit.Returned:
		e.Amount = &d.Amount
	case credit.Reversed:
		e.Amount, e.Reason = &d.Amount, string(d.Cause)
	}
}

// AppendJSON appends the entry as one JSON object: all keys always, null when empty. Amounts are exact numbers of the currency's major unit.
func (e *Entry) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"position":`...), e.Position, 10)
	dst = jsontext.AppendTime(append(dst, `,"recordedAt":`...), e.RecordedAt)
	dst = jsontext.AppendTime(append(dst, `,"effectiveAt":`...), e.EffectiveAt)
	dst = appendText(dst, "type", e.Type)
	dst = appendActor(append(dst, `,"actor":`...), e.Actor)
	dst = appendAmount(append(dst, `,"amount":`...), e.Amount)
	dst = appendAmount(append(dst, `,"gross":`...), e.Gross)
	dst = appendAmount(append(dst, `,"outstanding":`...), e.Outstanding)
	currency := ""
	if e.Amount != nil {
		currency = e.Amount.Currency().Code()
	} else if e.Outstanding != nil {
		currency = e.Outstanding.Currency().Code()
	}
	dst = appendText(dst, "currency", currency)
	dst = appendText(dst, "reason", e.Reason)
	dst = appendText(dst, "note", e.Note)
	dst = appendText(dst, "tender", e.Tender)
	dst = appendText(dst, "feeId", e.FeeID)
	dst = appendText(dst, "paymentId", e.PaymentID)
	dst = appendText(dst, "eventId", e.EventID.String())
	dst = appendText(dst, "requestId", e.RequestID)
	dst = appendText(dst, "channel", e.Channel)
	return append(dst, '}')
}

func appendText(dst []byte, key, text string) []byte {
	dst = append(append(append(dst, `,"`...), key...), `":`...)
	return jsontext.AppendStringOrNull(dst, text)
}

func appendActor(dst []byte, a catalog.Actor) []byte {
	dst = jsontext.AppendStringOrNull(append(dst, `{"kind":`...), a.Kind)
	dst = jsontext.AppendStringOrNull(append(dst, `,"id":`...), a.ID)
	dst = append(dst, `,"roles":[`...)
	for i, role := range a.Roles {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, role)
	}
	return append(dst, "]}"...)
}

func appendAmount(dst []byte, a *money.Amount) []byte {
	if a == nil {
		return append(dst, "null"...)
	}
	return append(dst, a.Number()...)
}
