package documents

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels"
)

// BenchmarkAdd prepares one document for the table: words, body and state.
func BenchmarkAdd(b *testing.B) {
	usd, err := money.ParseCurrency("USD")
	require.NoError(b, err)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	doc := &readmodels.Document{
		Row: &readmodels.Fee{
			Tenant: "main", ID: "01937b2a-0000-7000-8000-000000000001", UserID: "01937b2a-0000-7000-8000-000000000002",
			LoanID: "01937b2a-0000-7000-8000-000000000003", Amount: money.New(1250, usd), Reason: "overdue", Note: "3 weeks, naïve",
			StatusUpdateDate: at, CreatedAt: at, UpdatedAt: at, IsActive: true, Paid: money.New(250, usd), Reduced: money.Zero(usd), Reserved: money.Zero(usd),
		},
	}
	paid := &readmodels.FeePayment{
		Tenant: "main", ID: "01937b2a-0000-7000-8000-000000000004", FeeID: doc.Row.Key(), AmountPaid: money.New(250, usd), PaymentDate: at,
		CreatedAt: at, UpdatedAt: at, Note: "in coins", IsActive: true,
	}
	doc = doc.Fold(readmodels.Ref{Object: readmodels.ObjectFee, ID: paid.FeeID}, readmodels.Change{
		Object: readmodels.ObjectFeePayment, Action: readmodels.ActionCreated, New: paid,
	})
	entry := Entry{Key: Key{Tenant: "main", Ref: readmodels.Ref{Object: readmodels.ObjectFee, ID: doc.Row.Key()}}, Document: doc, Position: 7, Epoch: 1}
	b.ReportAllocs()
	for b.Loop() {
		var c columns
		require.NoError(b, c.add(&entry))
	}
}
