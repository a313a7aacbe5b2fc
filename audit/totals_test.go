package audit_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
)

// Sums may be beyond what one amount may be: fees and payments of the maximum beside others fail no report and no explanation, and
// what is stored of the reports is read and made again.
func TestTotalsBeyondOneAmount(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 5)
	s := &story{Log: l, reader: readerOf(l), member: l.Users[1]}
	kept := l.Assess(t, s.member, money.MaxMinor)
	l.Assess(t, s.member, money.MaxMinor)
	l.Change(t, kept, fee.Waive{ReductionID: "r1", Amount: ledgertest.USD(t, money.MaxMinor), Reason: "goodwill", At: l.Now()})
	l.Assess(t, s.member, money.MaxMinor)
	waivedToo := l.Assess(t, s.member, 1)
	l.Change(t, waivedToo, fee.Waive{ReductionID: "r2", Amount: ledgertest.USD(t, 1), Reason: "goodwill", At: l.Now()})
	last := l.Flush(t)
	bounds := audit.Bounds{AsOf: l.Now(), KnownAt: last}
	x, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, "member", s.member, audit.Moment{})
	require.NoError(t, err)
	require.Contains(t, x.Sentence, "USD 19999999999999.98 is owed")

	l.Pay(t, s.member, money.MaxMinor)
	l.Pay(t, s.member, money.MaxMinor)
	l.Pay(t, s.member, money.MaxMinor) // a credit
	l.Pay(t, s.member, 1)
	paid := audit.Bounds{AsOf: l.Now(), KnownAt: l.Flush(t)}
	x, err = s.reader.Explain(t.Context(), s, ledgertest.Tenant, "member", s.member, audit.Moment{})
	require.NoError(t, err)
	require.Contains(t, x.Sentence, "USD 0.00 is owed, USD 10000000000000.00 of credit is left")

	keeper := audit.Keeper{Store: s.Store, Catalog: s.Catalog, NewID: uuid.NewV7}
	by := audit.Asked{Tenant: ledgertest.Tenant, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: l.Users[2]}, At: l.Now(), Channel: "api"}}
	for _, test := range []struct {
		kind   string
		bounds audit.Bounds
		total  string
		minor  int64
	}{
		{"aging", bounds, "owed", 2 * money.MaxMinor},
		{"activity", paid, "fee.assessed", 3*money.MaxMinor + 1},
		{"rollforward", bounds, "closing", 2 * money.MaxMinor},
		{"staff", paid, "payment.captured", 3*money.MaxMinor + 1},
		{"waivers", paid, "waived", money.MaxMinor + 1},
		{"payments", paid, "net", 3*money.MaxMinor + 1},
		{"credits", paid, "overpayment", money.MaxMinor + 1},
		{"accounts", bounds, "debit", 3*money.MaxMinor + 1},
	} {
		_, report := s.made(t, audit.Params{Kind: test.kind, Bounds: test.bounds})
		at := slices.IndexFunc(report.Totals, func(total evidence.Total) bool { return total.Name == test.total })
		require.GreaterOrEqual(t, at, 0, "%s has no total %s", test.kind, test.total)
		require.Equal(t, test.minor, report.Totals[at].Amount.Minor(), test.kind)
		id, _, err := keeper.Report(t.Context(), by, report)
		require.NoError(t, err, test.kind)
		again, err := s.reader.Reproduce(t.Context(), ledgertest.Tenant, id)
		require.NoError(t, err, test.kind)
		require.True(t, again.Identical, test.kind)
		require.Equal(t, report.Totals, again.Stored.Totals)
	}
	rows, _ := s.made(t, audit.Params{Kind: "staff", Filters: []evidence.Parameter{{Name: "type", Value: "payment.captured"}}, Bounds: paid})
	require.Len(t, rows, 1)
	require.Contains(t, rows[0], "amount 29999999999999.98 mean 7500000000000.00 largest 9999999999999.99")
}
