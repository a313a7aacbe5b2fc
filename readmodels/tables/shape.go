package tables

import (
	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels/digest"
)

// Shapes says how the rows of each table are told apart and compared.
func Shapes() []digest.Shape {
	return []digest.Shape{
		fees.shape(fee.Stream, "id"), feePayments.shape(payment.Stream, "payment_id"), feeEvents.shape(fee.Stream, "fee_id"),
		gatewayPayments.shape(gateway.Stream, "id"), paymentCustomers.shape(customer.Stream, "user_id"),
		paymentMethods.shape(customer.Stream, "user_id"), credits.shape(credit.Stream, "user_id"),
	}
}

// shape is that of a table whose rows are folded from the stream that a column names.
func (t table[R]) shape(stream func(string) string, column string) digest.Shape {
	return digest.Shape{
		Table: t.name, Label: t.name, Key: []string{"tenant", "id"}, Columns: columnNames(t.columns),
		Streams: func(row map[string]any) []eventstore.StreamID {
			tenant, _ := row["tenant"].(string)
			id, _ := row[column].(string)
			return []eventstore.StreamID{{Tenant: tenant, Name: stream(id)}}
		},
	}
}
