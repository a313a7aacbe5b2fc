package readmodels

import (
	"strconv"
	"time"

	"payledger/internal/jsontext"
)

var (
	_ Row = (*Fee)(nil)
	_ Row = (*FeePayment)(nil)
	_ Row = (*GatewayPayment)(nil)
	_ Row = (*FeeEvent)(nil)
	_ Row = (*PaymentCustomer)(nil)
	_ Row = (*PaymentMethod)(nil)
)

// Key returns the fee's id.
func (r *Fee) Key() string { return r.ID }

// Parent returns nothing: a fee stands in no other's document.
func (r *Fee) Parent() string { return "" }

// Owner returns the user who owes the fee.
func (r *Fee) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *Fee) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *Fee) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *Fee) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order.
func (r *Fee) AppendJSON(dst []byte, withIndex bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.UserID)
	dst = appendText(append(dst, ','), "userId", r.UserID)
	dst = appendText(append(dst, ','), "loanId", r.LoanID)
	dst = append(append(dst, `,"amount":`...), r.Amount.Number()...)
	dst = append(append(dst, `,"currency":"`...), r.Amount.Currency().Code()...)
	dst = appendEnum(append(dst, '"', ','), "status", r.Status.String(), int(r.Status), withIndex)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"statusUpdateDate":`...), r.StatusUpdateDate)
	dst = appendText(append(dst, ','), "reason", r.Reason)
	dst = appendText(append(dst, ','), "note", r.Note)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// Key returns the allocation's id.
func (r *FeePayment) Key() string { return r.ID }

// Parent returns the id of the fee that was paid.
func (r *FeePayment) Parent() string { return r.FeeID }

// Owner returns the user who paid.
func (r *FeePayment) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *FeePayment) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *FeePayment) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *FeePayment) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order.
func (r *FeePayment) AppendJSON(dst []byte, withIndex bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.UserID)
	dst = appendText(append(dst, ','), "feeId", r.FeeID)
	dst = append(append(dst, `,"amountPaid":`...), r.AmountPaid.Number()...)
	dst = append(append(dst, `,"currency":"`...), r.AmountPaid.Currency().Code()...)
	dst = appendText(append(dst, '"', ','), "userId", r.UserID)
	dst = appendEnum(append(dst, ','), "paymentMethod", r.PaymentMethod.String(), int(r.PaymentMethod), withIndex)
	dst = appendEnum(append(dst, ','), "paymentStatus", r.PaymentStatus.String(), int(r.PaymentStatus), withIndex)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"paymentDate":`...), r.PaymentDate)
	dst = appendText(append(dst, ','), "stripePaymentIntentId", r.StripePaymentIntentID)
	dst = appendText(append(dst, ','), "handledByUserId", r.HandledByUserID)
	dst = appendText(append(dst, ','), "note", r.Note)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// AppendJSON appends the payment as POST /payments answers it: its allocations are those that hold money of it.
func (p *Payment) AppendJSON(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "id", p.ID)
	dst = appendText(append(dst, ','), "userId", p.UserID)
	dst = appendText(append(dst, ','), "tender", p.Tender)
	dst = append(append(dst, `,"amount":`...), p.Amount.Number()...)
	dst = append(append(dst, `,"currency":"`...), p.Amount.Currency().Code()...)
	dst = append(dst, `","allocations":[`...)
	sep := ""
	for i := range p.Rows {
		if !p.Rows[i].holdsMoney() {
			continue
		}
		dst = append(dst, sep...)
		sep = ","
		dst = appendText(append(dst, '{'), "id", p.Rows[i].ID)
		dst = appendText(append(dst, ','), "feeId", p.Rows[i].FeeID)
		dst = append(append(dst, `,"amount":`...), p.Rows[i].AmountPaid.Number()...)
		dst = append(dst, '}')
	}
	dst = append(append(dst, `],"credit":`...), p.Credit.Number()...)
	return append(dst, '}')
}

// holdsMoney reports whether the allocation stands: it is neither over nor taken away.
func (r *FeePayment) holdsMoney() bool {
	return r.IsActive && (r.PaymentStatus == PaymentPending || r.PaymentStatus == PaymentComplete)
}

// Key returns the id of the event, or of the note.
func (r *FeeEvent) Key() string { return r.ID }

// Parent returns the id of the fee that it happened to, nothing for a note that its document mustn't show.
func (r *FeeEvent) Parent() string {
	if r.StaffOnly {
		return ""
	}
	return r.FeeID
}

// Owner returns the user of the fee.
func (r *FeeEvent) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *FeeEvent) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *FeeEvent) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *FeeEvent) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order.
func (r *FeeEvent) AppendJSON(dst []byte, withIndex bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.UserID)
	dst = appendText(append(dst, ','), "feeId", r.FeeID)
	dst = appendEnum(append(dst, ','), "eventType", r.EventType.String(), int(r.EventType), withIndex)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"eventDate":`...), r.EventDate)
	dst = appendText(append(dst, ','), "actorUserId", r.ActorUserID)
	dst = appendText(append(dst, ','), "note", r.Note)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// Key returns the row's id.
func (r *GatewayPayment) Key() string { return r.ID }

// Parent returns nothing: a fee's document shows the ledger's payments.
func (r *GatewayPayment) Parent() string { return "" }

// Owner returns the user who pays.
func (r *GatewayPayment) Owner() string { return r.OwnerID }

// Version returns the recordVersion.
func (r *GatewayPayment) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *GatewayPayment) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *GatewayPayment) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order; it has no enums.
func (r *GatewayPayment) AppendJSON(dst []byte, _ bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.OwnerID)
	dst = appendText(append(dst, ','), "ownerId", r.OwnerID)
	dst = appendText(append(dst, ','), "orderId", r.OrderID)
	dst = appendText(append(dst, ','), "paymentId", r.PaymentID)
	dst = appendText(append(dst, ','), "paymentStatus", r.PaymentStatus)
	dst = appendText(append(dst, ','), "statusLiteral", r.StatusLiteral)
	dst = appendText(append(dst, ','), "redirectUrl", r.RedirectURL)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// Key returns the row's id.
func (r *PaymentCustomer) Key() string { return r.ID }

// Parent returns nothing.
func (r *PaymentCustomer) Parent() string { return "" }

// Owner returns the user who is the customer.
func (r *PaymentCustomer) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *PaymentCustomer) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *PaymentCustomer) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *PaymentCustomer) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order; it has no enums.
func (r *PaymentCustomer) AppendJSON(dst []byte, _ bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.UserID)
	dst = appendText(append(dst, ','), "userId", r.UserID)
	dst = appendText(append(dst, ','), "customerId", r.CustomerID)
	dst = appendText(append(dst, ','), "platform", r.Platform)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// Key returns the row's id.
func (r *PaymentMethod) Key() string { return r.ID }

// Parent returns nothing.
func (r *PaymentMethod) Parent() string { return "" }

// Owner returns the user whose card it is.
func (r *PaymentMethod) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *PaymentMethod) Version() int64 { return r.RecordVersion }

// Deleted returns a copy with isActive false.
func (r *PaymentMethod) Deleted() Row { c := *r; c.IsActive = false; return &c }

// Active returns isActive.
func (r *PaymentMethod) Active() bool { return r.IsActive }

// AppendJSON appends the row in the guide's order; it has no enums.
func (r *PaymentMethod) AppendJSON(dst []byte, _ bool) []byte {
	dst = appendText(append(dst, '{'), "id", r.ID)
	dst = appendText(append(dst, ','), "_owner", r.UserID)
	dst = appendText(append(dst, ','), "paymentMethodId", r.PaymentMethodID)
	dst = appendText(append(dst, ','), "userId", r.UserID)
	dst = appendText(append(dst, ','), "customerId", r.CustomerID)
	dst = appendText(append(dst, ','), "cardHolderName", r.CardHolderName)
	dst = appendText(append(dst, ','), "cardHolderZip", r.CardHolderZip)
	dst = appendText(append(dst, ','), "platform", r.Platform)
	dst = r.Card.appendJSON(append(dst, `,"cardInfo":`...))
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// appendJSON appends what is known of a card, in the gateway's own words; null when nothing is.
func (c Card) appendJSON(dst []byte) []byte {
	if c == (Card{}) {
		return append(dst, "null"...)
	}
	dst = appendText(append(dst, '{'), "brand", c.Brand)
	dst = appendText(append(dst, ','), "last4", c.Last4)
	dst = strconv.AppendInt(append(dst, `,"exp_month":`...), int64(c.ExpMonth), 10)
	dst = strconv.AppendInt(append(dst, `,"exp_year":`...), int64(c.ExpYear), 10)
	return append(dst, '}')
}

// appendText appends a key with a text, null when it is empty.
func appendText(dst []byte, key, id string) []byte {
	dst = append(append(append(dst, '"'), key...), '"', ':')
	return jsontext.AppendStringOrNull(dst, id)
}

// appendEnum appends the keys of an enum: its word twice, and its number where answers have it.
func appendEnum(dst []byte, key, name string, number int, withIndex bool) []byte {
	dst = append(append(append(dst, '"'), key...), `":"`...)
	dst = append(append(append(dst, name...), `","`...), key...)
	dst = append(append(append(dst, `_":"`...), name...), '"')
	if withIndex {
		dst = append(append(append(dst, ',', '"'), key...), `_idx":`...)
		dst = strconv.AppendInt(dst, int64(number), 10)
	}
	return dst
}

// appendCommon appends the keys that end every row.
func appendCommon(dst []byte, active bool, version int64, created, updated time.Time) []byte {
	dst = strconv.AppendBool(append(dst, `,"isActive":`...), active)
	dst = strconv.AppendInt(append(dst, `,"recordVersion":`...), version, 10)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"createdAt":`...), created)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"updatedAt":`...), updated)
	return append(dst, '}')
}
