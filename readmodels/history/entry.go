package history

import (
	"strconv"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/internal/jsontext"
)

// entryOf tells an event, but for what its fold adds.
func entryOf(ev catalog.Event) Entry {
	e := Entry{
		Position: ev.Position, RecordedAt: ev.RecordedAt, EffectiveAt: ev.EffectiveAt, Type: ev.Type, Actor: ev.Meta.Actor,
		EventID: ev.ID, RequestID: ev.Meta.RequestID, PaymentID: paymentOf(ev),
	}
	switch d := ev.Data.(type) {
	case fee.Assessed:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.Waived:
		e.Amount, e.Reason, e.Note = &d.Amount, d.Reason, d.Note
	case fee.ReductionReleased:
		e.Amount = &d.Amount
	case fee.Cancelled:
		e.Amount, e.Reason, e.Note = &d.Amount, string(d.Cause), d.Note
	case fee.PaymentApplied:
		e.Amount = &d.Amount
	case fee.Annotated:
		e.Note = d.Note
	case payment.Captured:
		e.Amount, e.Tender, e.Note = &d.Amount, string(d.Tender), d.Note
	case credit.Granted:
		e.Amount = &d.Amount
	}
	return e
}

// AppendJSON appends the entry as one JSON object: all keys always, null when empty. Amounts are exact numbers of the currency's major unit.
func (e *Entry) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"position":`...), e.Position, 10)
	dst = jsontext.AppendTime(append(dst, `,"recordedAt":`...), e.RecordedAt)
	dst = jsontext.AppendTime(append(dst, `,"effectiveAt":`...), e.EffectiveAt)
	dst = appendText(dst, "type", e.Type)
	dst = appendActor(append(dst, `,"actor":`...), e.Actor)
	dst = appendAmount(append(dst, `,"amount":`...), e.Amount)
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
