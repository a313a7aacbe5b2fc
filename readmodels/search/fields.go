package search

import (
	"slices"

	"payledger/readmodels"
)

// Fields says by what documents of one object are filtered, counted and sorted, in the contract's names.
type Fields struct {
	Filters []string // beside the amount; each stands in Document.Words as a term, see Index
	Status  string   // what Document.Status holds; empty for nothing
	Reason  string   // what Document.Reason holds
	Amount  string   // what Document.Amount holds
}

// FieldsOf returns the fields of an object; none for an unknown one.
func FieldsOf(object readmodels.Object) Fields {
	switch object {
	case readmodels.ObjectFee:
		return Fields{
			Filters: []string{"userId", "loanId", "status", "reason", "currency"}, Status: "status", Reason: "reason", Amount: "amount",
		}
	case readmodels.ObjectFeePayment:
		return Fields{
			Filters: []string{"feeId", "userId", "paymentMethod", "paymentStatus", "currency"},
			Status:  "paymentStatus", Reason: "paymentMethod", Amount: "amountPaid",
		}
	case readmodels.ObjectGatewayPayment:
		return Fields{
			Filters: []string{"ownerId", "orderId", "paymentId", "paymentStatus", "statusLiteral"}, Status: "statusLiteral", Reason: "paymentStatus",
		}
	case readmodels.ObjectFeeEvent:
		return Fields{Filters: []string{"feeId", "eventType", "actorUserId"}, Status: "eventType"}
	case readmodels.ObjectPaymentCustomer:
		return Fields{Filters: []string{"userId", "customerId", "platform"}, Reason: "platform"}
	case readmodels.ObjectPaymentMethod:
		return Fields{Filters: []string{"userId", "paymentMethodId", "customerId", "platform"}, Reason: "platform"}
	}
	return Fields{}
}

// Index returns what a document is found by, in order, each once: the words of its texts, and a term for each filter.
// Words are found by their beginnings, terms as they are; a term begins with what no word has, so they never meet.
func Index(texts []string, filters ...Filter) []string {
	all := Words(texts...)
	for _, f := range filters {
		if f.Value != "" {
			all = append(all, f.Term())
		}
	}
	return Sorted(all)
}

// Sorted returns words as an index keeps them: sorted, each once.
func Sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// Term returns the filter as it stands in the index. Value has at most 255 characters: Postgres takes 2 kB.
func (f Filter) Term() string { return "=" + f.Field + "=" + f.Value }
