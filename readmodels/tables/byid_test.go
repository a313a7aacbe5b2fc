package tables_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

func equalAmounts() gocmp.Option {
	return gocmp.Comparer(func(a, b money.Amount) bool { return a == b })
}

// finds looks for every row of a table by its id, and for rows that aren't there.
func finds[R readmodels.Row](
	t *testing.T, l *library, rows tables.Set[R], stream func(R) int64, find func(context.Context, string, string) (tables.Found[R], error),
) {
	t.Helper()
	require.NotEmpty(t, rows.New)
	for _, row := range rows.New {
		got, err := find(t.Context(), ledgertest.Tenant, row.Key())
		require.NoError(t, err)
		want := tables.Found[R]{Row: row, StreamExists: true, StreamPosition: stream(row), Checkpoint: l.head, Head: l.head}
		require.Empty(t, gocmp.Diff(want, got, equalAmounts()))
	}
	var none R
	for tenant, id := range map[string]string{ledgertest.Tenant: "nobody", "other": rows.New[0].Key()} {
		got, err := find(t.Context(), tenant, id)
		require.NoError(t, err)
		require.Equal(t, tables.Found[R]{Row: none, Checkpoint: l.head, Head: l.head}, got)
	}
}

// Every row is found by its id, with the end of the stream that it is folded from.
func TestRowsById(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 19, 900)
	ends := make(map[string]int64)
	for _, ev := range l.Events(t, 0, 1_000_000) {
		ends[ev.Stream.Name] = ev.Position
	}
	finds(t, l, l.rows.FeePayments, func(r *readmodels.FeePayment) int64 { return ends["payment-"+r.PaymentID] }, l.queries.FeePayment)
	finds(t, l, l.rows.FeeEvents, func(r *readmodels.FeeEvent) int64 { return ends["fee-"+r.FeeID] }, l.queries.FeeEvent)
	finds(t, l, l.rows.GatewayPayments, func(r *readmodels.GatewayPayment) int64 { return ends["gatewaypayment-"+r.ID] }, l.queries.GatewayPayment)

	// An old row says that it is old.
	note := l.rows.FeeEvents.New[0]
	l.Change(t, note.FeeID, fee.Annotate{Note: "seen by nobody yet", At: l.Now()})
	head := l.Flush(t)
	got, err := l.queries.FeeEvent(t.Context(), ledgertest.Tenant, note.ID)
	require.NoError(t, err)
	require.Equal(t, head, got.StreamPosition)
	require.Equal(t, l.head, got.Checkpoint)
}

// streams looks for the stream of every row of a table, and of none.
func streams[R readmodels.Row](t *testing.T, l *library, object readmodels.Object, rows []R, name func(R) string) {
	t.Helper()
	require.NotEmpty(t, rows, object)
	for _, row := range rows {
		got, err := l.queries.StreamOf(t.Context(), ledgertest.Tenant, object, row.Key())
		require.NoError(t, err)
		require.Equal(t, name(row), got.Row)
		require.True(t, got.StreamExists)
	}
	got, err := l.queries.StreamOf(t.Context(), "other", object, rows[0].Key())
	require.NoError(t, err)
	require.Equal(t, tables.Found[string]{Checkpoint: l.head, Head: l.head}, got)
}

func TestStreamsOfRows(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 19, 300)
	streams(t, l, readmodels.ObjectFee, slices.Collect(maps.Values(l.fees)), func(r *readmodels.Fee) string { return "fee-" + r.ID })
	streams(t, l, readmodels.ObjectFeePayment, l.rows.FeePayments.New, func(r *readmodels.FeePayment) string { return "payment-" + r.PaymentID })
	streams(t, l, readmodels.ObjectGatewayPayment, l.rows.GatewayPayments.New, func(r *readmodels.GatewayPayment) string { return "gatewaypayment-" + r.ID })
	streams(t, l, readmodels.ObjectFeeEvent, l.rows.FeeEvents.New, func(r *readmodels.FeeEvent) string { return "fee-" + r.FeeID })
	streams(t, l, readmodels.ObjectPaymentCustomer, l.rows.PaymentCustomers.New, func(r *readmodels.PaymentCustomer) string { return "customer-" + r.UserID })
	streams(t, l, readmodels.ObjectPaymentMethod, l.rows.PaymentMethods.New, func(r *readmodels.PaymentMethod) string { return "customer-" + r.UserID })
	require.NotEmpty(t, l.rows.Credits.New)
	for _, lot := range l.rows.Credits.New {
		got, err := l.queries.StreamOf(t.Context(), ledgertest.Tenant, readmodels.ObjectCredit, lot.ID)
		require.NoError(t, err)
		require.Equal(t, "credit-"+lot.UserID, got.Row)
	}
	_, err := l.queries.StreamOf(t.Context(), ledgertest.Tenant, "loan", "x")
	require.ErrorIs(t, err, tables.ErrNoRows)
}

func TestRowsByOtherIds(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 19, 900)
	newest := func(found func(*readmodels.GatewayPayment) bool) *readmodels.GatewayPayment {
		rows := slices.DeleteFunc(slices.Clone(l.rows.GatewayPayments.New), func(r *readmodels.GatewayPayment) bool { return !r.IsActive || !found(r) })
		if len(rows) == 0 {
			return nil
		}
		return slices.MaxFunc(rows, func(a, b *readmodels.GatewayPayment) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
	}
	deleted, hidden := 0, 0
	for _, row := range l.rows.GatewayPayments.New {
		for _, owner := range append(l.Users, "", "nobody") {
			sees := func(r *readmodels.GatewayPayment) bool { return owner == "" || r.OwnerID == owner }
			byOrder, err := l.queries.GatewayPaymentByOrder(t.Context(), ledgertest.Tenant, row.OrderID, owner)
			require.NoError(t, err)
			require.Empty(t, gocmp.Diff(newest(func(r *readmodels.GatewayPayment) bool { return r.OrderID == row.OrderID && sees(r) }), byOrder.Row))
			byPayment, err := l.queries.GatewayPaymentByPaymentID(t.Context(), ledgertest.Tenant, row.PaymentID, owner)
			require.NoError(t, err)
			want := newest(func(r *readmodels.GatewayPayment) bool { return r.PaymentID == row.PaymentID && sees(r) })
			require.Empty(t, gocmp.Diff(want, byPayment.Row))
			require.Equal(t, want != nil, byPayment.StreamExists)
			if all := newest(func(r *readmodels.GatewayPayment) bool { return r.PaymentID == row.PaymentID }); want != nil && want != all {
				hidden++
			}
		}
		if !row.IsActive {
			deleted++
		}
	}
	require.Positive(t, hidden, "somebody else's is newer")
	require.Positive(t, deleted)
	require.NotEmpty(t, l.rows.PaymentCustomers.New)
	for _, row := range l.rows.PaymentCustomers.New {
		got, err := l.queries.PaymentCustomer(t.Context(), ledgertest.Tenant, row.UserID)
		require.NoError(t, err)
		require.Empty(t, gocmp.Diff(row, got.Row))
		require.True(t, got.StreamExists)
	}
	got, err := l.queries.PaymentCustomer(t.Context(), ledgertest.Tenant, "nobody")
	require.NoError(t, err)
	require.Equal(t, tables.Found[*readmodels.PaymentCustomer]{Checkpoint: l.head, Head: l.head}, got)
}

// Of a fee that shrank below what is held of it, no more is reserved than is owed.
func TestAccountReservesNoMoreThanIsOwed(t *testing.T) {
	t.Parallel()
	l := openLibrary(t, 21)
	id := l.Assess(t, l.Users[0], 1000)
	l.Change(t, id, fee.Reserve{PaymentID: "p", AllocationID: "a", Amount: ledgertest.USD(t, 700), At: l.Now()})
	l.Change(t, id, fee.Adjust{AdjustmentID: "j", Direction: fee.DirectionDecrease, Amount: ledgertest.USD(t, 600), Reason: "error", At: l.Now()})
	l.Flush(t)
	l.project(t)
	got, err := l.queries.Account(t.Context(), ledgertest.Tenant, l.Users[0])
	require.NoError(t, err)
	require.Equal(t, []tables.AccountTotal{
		{Owed: ledgertest.USD(t, 400), Reserved: ledgertest.USD(t, 400), Credit: ledgertest.USD(t, 0), Fees: 1},
	}, got.Totals)
}

func TestAccount(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 20, 900)
	credits := 0
	for _, user := range append(l.Users, "nobody") {
		var fees []*readmodels.Fee
		var lots []*readmodels.CreditLot
		total := tables.AccountTotal{Owed: ledgertest.USD(t, 0), Reserved: ledgertest.USD(t, 0), Credit: ledgertest.USD(t, 0)}
		for _, row := range l.fees {
			if row.UserID == user && row.Outstanding().IsPositive() && !row.Cancelled {
				fees = append(fees, row)
				total.Fees++
				total.Owed, total.Reserved = plus(total.Owed, row.Outstanding()), plus(total.Reserved, money.Min(row.Reserved, row.Outstanding()))
			}
		}
		for _, lot := range l.rows.Credits.New {
			if lot.UserID == user && lot.Remaining.IsPositive() {
				lots = append(lots, lot)
				total.Credit = plus(total.Credit, lot.Remaining)
			}
		}
		slices.SortFunc(fees, func(a, b *readmodels.Fee) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		slices.SortFunc(lots, func(a, b *readmodels.CreditLot) int {
			return cmp.Or(a.GrantedAt.Compare(b.GrantedAt), cmp.Compare(a.ID, b.ID))
		})
		want := tables.Account{Fees: fees, Credits: lots, Checkpoint: l.head}
		if len(fees)+len(lots) > 0 {
			want.Totals = []tables.AccountTotal{total}
		}
		got, err := l.queries.Account(t.Context(), ledgertest.Tenant, user)
		require.NoError(t, err)
		require.Empty(t, gocmp.Diff(want, got, equalAmounts(), cmpopts.EquateEmpty()))
		credits += len(lots)
	}
	require.Positive(t, credits)
	got, err := l.queries.Account(t.Context(), "other", l.Users[0])
	require.NoError(t, err)
	require.Empty(t, gocmp.Diff(tables.Account{Checkpoint: l.head}, got, cmpopts.EquateEmpty()))
}

func plus(a, b money.Amount) money.Amount { return money.New(a.Minor()+b.Minor(), a.Currency()) }
