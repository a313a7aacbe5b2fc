package readmodels

import (
	"slices"
	"strconv"
	"time"

	"payledger/internal/jsontext"
)

var (
	_ Row = (*Fee)(nil)
	_ Row = (*FeePayment)(nil)
)

// feeStatusNames and the like are the contract's words, at their numbers.
var (
	feeStatusNames     = [...]string{"unpaid", "paymentInProgress", "paid", "waived", "canceled"}
	paymentMethodNames = [...]string{"stripe", "cash", "pos", "other"}
	paymentStatusNames = [...]string{"pending", "complete", "failed", "canceled"}
)

// String returns the contract's word, such as "unpaid".
func (s FeeStatus) String() string { return enumName(feeStatusNames[:], int(s)) }

// String returns the contract's word, such as "cash".
func (m PaymentMethod) String() string { return enumName(paymentMethodNames[:], int(m)) }

// String returns the contract's word, such as "complete".
func (s PaymentStatus) String() string { return enumName(paymentStatusNames[:], int(s)) }

// FeeStatuses returns the contract's words of fee.status in order of their numbers.
func FeeStatuses() []string { return slices.Clone(feeStatusNames[:]) }

func enumName(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return strconv.Itoa(n)
	}
	return names[n]
}

// Key returns the fee's id.
func (r *Fee) Key() string { return r.ID }

// Root returns the fee's id: it is its own document.
func (r *Fee) Root() string { return r.ID }

// Owner returns the user who owes the fee.
func (r *Fee) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *Fee) Version() int64 { return r.RecordVersion }

// AppendJSON appends the row in the guide's order.
func (r *Fee) AppendJSON(dst []byte, withIndex bool) []byte {
	dst = appendID(append(dst, '{'), "id", r.ID)
	dst = appendID(append(dst, ','), "_owner", r.UserID)
	dst = appendID(append(dst, ','), "userId", r.UserID)
	dst = appendID(append(dst, ','), "loanId", r.LoanID)
	dst = append(append(dst, `,"amount":`...), r.Amount.Number()...)
	dst = append(append(dst, `,"currency":"`...), r.Amount.Currency().Code()...)
	dst = appendEnum(append(dst, '"', ','), "status", r.Status.String(), int(r.Status), withIndex)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"statusUpdateDate":`...), r.StatusUpdateDate)
	dst = jsontext.AppendStringOrNull(append(dst, `,"reason":`...), r.Reason)
	dst = jsontext.AppendStringOrNull(append(dst, `,"note":`...), r.Note)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// Key returns the allocation's id.
func (r *FeePayment) Key() string { return r.ID }

// Root returns the id of the fee that was paid.
func (r *FeePayment) Root() string { return r.FeeID }

// Owner returns the user who paid.
func (r *FeePayment) Owner() string { return r.UserID }

// Version returns the recordVersion.
func (r *FeePayment) Version() int64 { return r.RecordVersion }

// AppendJSON appends the row in the guide's order.
func (r *FeePayment) AppendJSON(dst []byte, withIndex bool) []byte {
	dst = appendID(append(dst, '{'), "id", r.ID)
	dst = appendID(append(dst, ','), "_owner", r.UserID)
	dst = appendID(append(dst, ','), "feeId", r.FeeID)
	dst = append(append(dst, `,"amountPaid":`...), r.AmountPaid.Number()...)
	dst = append(append(dst, `,"currency":"`...), r.AmountPaid.Currency().Code()...)
	dst = appendID(append(dst, '"', ','), "userId", r.UserID)
	dst = appendEnum(append(dst, ','), "paymentMethod", r.PaymentMethod.String(), int(r.PaymentMethod), withIndex)
	dst = appendEnum(append(dst, ','), "paymentStatus", r.PaymentStatus.String(), int(r.PaymentStatus), withIndex)
	dst = jsontext.AppendTimeOrNull(append(dst, `,"paymentDate":`...), r.PaymentDate)
	dst = jsontext.AppendStringOrNull(append(dst, `,"stripePaymentIntentId":`...), r.StripePaymentIntentID)
	dst = appendID(append(dst, ','), "handledByUserId", r.HandledByUserID)
	dst = jsontext.AppendStringOrNull(append(dst, `,"note":`...), r.Note)
	return appendCommon(dst, r.IsActive, r.RecordVersion, r.CreatedAt, r.UpdatedAt)
}

// AppendJSON appends the payment as POST /payments answers it.
func (p *Payment) AppendJSON(dst []byte) []byte {
	dst = appendID(append(dst, '{'), "id", p.ID)
	dst = appendID(append(dst, ','), "userId", p.UserID)
	dst = appendID(append(dst, ','), "tender", p.Tender)
	dst = append(append(dst, `,"amount":`...), p.Amount.Number()...)
	dst = append(append(dst, `,"currency":"`...), p.Amount.Currency().Code()...)
	dst = append(dst, `","allocations":[`...)
	for i := range p.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendID(append(dst, '{'), "id", p.Rows[i].ID)
		dst = appendID(append(dst, ','), "feeId", p.Rows[i].FeeID)
		dst = append(append(dst, `,"amount":`...), p.Rows[i].AmountPaid.Number()...)
		dst = append(dst, '}')
	}
	dst = append(append(dst, `],"credit":`...), p.Credit.Number()...)
	return append(dst, '}')
}

// appendID appends a key with a short text, null when it is empty.
func appendID(dst []byte, key, id string) []byte {
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
