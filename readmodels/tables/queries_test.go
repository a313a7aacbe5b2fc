package tables_test

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// library is a log and tables that have folded all of it.
type library struct {
	*ledgertest.Log
	queries tables.Queries
	head    int64
	fees    map[string]*readmodels.Fee // by id, folded by the test
	rows    tables.Rows                // the others
}

func newLibrary(t *testing.T, seed uint64, commands int) *library {
	t.Helper()
	l := &library{Log: ledgertest.Open(t, seed), fees: make(map[string]*readmodels.Fee)}
	pool := l.DB.AppPool(t)
	l.queries = tables.Queries{Pool: pool, Watcher: checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))}
	l.Random(t, commands)
	l.project(t)
	return l
}

// project writes what the log has come to, as the projection does.
func (l *library) project(t *testing.T) {
	t.Helper()
	events := l.Events(t, 0, 1_000_000)
	l.head = int64(len(events))
	var changes tables.Changes
	states := make(map[eventstore.StreamID]any)
	for _, ev := range events {
		var err error
		states[ev.Stream], err = changes.Fold(states[ev.Stream], ev)
		require.NoError(t, err)
	}
	rows := tables.Rows{
		FeePayments: latest(changes.FeePayments, tables.FeePaymentKey), FeeEvents: latest(changes.FeeEvents, tables.FeeEventKey),
		GatewayPayments:  latest(changes.GatewayPayments, tables.GatewayPaymentKey),
		PaymentCustomers: latest(changes.PaymentCustomers, tables.PaymentCustomerKey),
		PaymentMethods:   latest(changes.PaymentMethods, tables.PaymentMethodKey), Credits: latest(changes.Credits, tables.CreditKey),
	}
	for _, state := range states {
		if s, ok := state.(*readmodels.FeeState); ok {
			l.fees[s.Fee.ID] = s.Fee
		}
	}
	l.rows = rows
	rows.Fees.New = slices.Collect(maps.Values(l.fees))
	err := pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
		if _, err := tables.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		if err := tables.Write(t.Context(), tx, rows); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position) VALUES ('tables', 1, $1)`, l.head)
		return err
	})
	require.NoError(t, err)
}

// latest returns the rows as they are in the end, each once.
func latest[R any](changes []tables.Change[R], key func(R) tables.Key) tables.Set[R] {
	rows := make(map[tables.Key]R)
	for _, c := range changes {
		rows[key(c.New)] = c.New
	}
	return tables.Set[R]{New: slices.Collect(maps.Values(rows))}
}

// list is the list that the tables should show: filtered and sorted by the test.
func (l *library) list(f tables.FeeFilter) []*readmodels.Fee {
	var rows []*readmodels.Fee
	for _, r := range l.fees {
		if f.Tenant == r.Tenant && (f.Owner == "" || f.Owner == r.UserID) && (f.UserID == "" || f.UserID == r.UserID) &&
			(f.LoanID == "" || f.LoanID == r.LoanID) && (f.Reason == "" || f.Reason == r.Reason) &&
			(f.Status == nil || *f.Status == r.Status) && (f.Amount == nil || *f.Amount == r.Amount) {
			rows = append(rows, r)
		}
	}
	field, descending := strings.CutPrefix(f.Sort.String(), "-")
	slices.SortFunc(rows, func(a, b *readmodels.Fee) int {
		by := map[string]int{
			"userId": cmp.Compare(a.UserID, b.UserID), "loanId": cmp.Compare(a.LoanID, b.LoanID),
			"amount": cmp.Compare(a.Amount.Minor(), b.Amount.Minor()), "status": cmp.Compare(a.Status, b.Status),
			"reason": cmp.Compare(a.Reason, b.Reason),
		}
		c := cmp.Or(by[field], a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		if descending {
			return -c
		}
		return c
	})
	return rows
}

func sameRows(t require.TestingT, want, got []*readmodels.Fee) {
	require.Empty(t, gocmp.Diff(want, got, gocmp.Comparer(func(a, b money.Amount) bool { return a == b })))
}

func TestListsShowWhatTheLogSays(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 11, 400)
	some := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(values, "", "", "")) }
	anyFee := func(rt *rapid.T) *readmodels.Fee { return l.fees[rapid.SampledFrom(l.Fees).Draw(rt, "fee")] }
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		f := tables.FeeFilter{
			Tenant: rapid.SampledFrom([]string{ledgertest.Tenant, ledgertest.Tenant, ledgertest.Tenant, "other"}).Draw(rt, "tenant"),
			Owner:  some(l.Users...).Draw(rt, "owner"), UserID: some(l.Users...).Draw(rt, "user"),
			LoanID: some(anyFee(rt).LoanID).Draw(rt, "loan"), Reason: some("overdue", "nothing of the kind").Draw(rt, "reason"),
			PageRowCount: rapid.IntRange(1, 40).Draw(rt, "rows"), PageNumber: rapid.IntRange(0, 6).Draw(rt, "page"),
			CountExact: rapid.Bool().Draw(rt, "exact"),
		}
		if rapid.IntRange(0, 3).Draw(rt, "by status") == 0 {
			status := rapid.SampledFrom([]readmodels.FeeStatus{
				readmodels.FeeUnpaid, readmodels.FeePaid, readmodels.FeeWaived, readmodels.FeeCanceled,
			}).Draw(rt, "status")
			f.Status = &status
		}
		if rapid.IntRange(0, 3).Draw(rt, "by amount") == 0 {
			amount := anyFee(rt).Amount
			f.Amount = &amount
		}
		var err error
		f.Sort, err = tables.ParseSort(some("createdAt", "-createdAt", "userId", "-userId", "loanId", "-loanId", "amount", "-amount",
			"status", "-status", "reason", "-reason").Draw(rt, "sort"))
		require.NoError(rt, err)

		want := l.list(f)
		got, err := l.queries.Fees(ctx, f)
		require.NoError(rt, err)
		require.Equal(rt, int64(len(want)), got.Total)
		require.False(rt, got.AtLeast)
		require.Equal(rt, l.head, got.Checkpoint)
		size := f.PageRowCount
		if f.PageNumber == 0 {
			size = tables.MaxPageRowCount
		}
		from := min(len(want), max(0, f.PageNumber-1)*size)
		sameRows(rt, append([]*readmodels.Fee(nil), want[from:min(len(want), from+size)]...), got.Rows)

		// Cursors lead from any full page to the end.
		for from += len(got.Rows); got.Next != ""; from += len(got.Rows) {
			f.Cursor = got.Next
			got, err = l.queries.Fees(ctx, f)
			require.NoError(rt, err)
			sameRows(rt, append([]*readmodels.Fee(nil), want[from:min(len(want), from+f.PageRowCount)]...), got.Rows)
		}
		if f.PageNumber <= 1 {
			require.Len(rt, want, from, "every row was shown")
		}
	})
}

func TestCallersCursorsAndSorts(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 12, 30)
	_, err := tables.ParseSort("note")
	require.ErrorIs(t, err, tables.ErrSort)
	_, err = tables.ParseSort("--amount")
	require.ErrorIs(t, err, tables.ErrSort)
	amount, err := tables.ParseSort("amount")
	require.NoError(t, err)
	page, err := l.queries.Fees(t.Context(), tables.FeeFilter{Tenant: ledgertest.Tenant, Sort: amount, PageNumber: 1, PageRowCount: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for name, cursor := range map[string]string{
		"of another order": page.Next, "not base64": "!!", "not JSON": "bm8", "not a number": "eyJzIjoiYW1vdW50IiwidiI6IngiLCJpIjoiYSJ9",
	} {
		sort := tables.Sort{}
		if name == "not a number" {
			sort = amount
		}
		_, err := l.queries.Fees(t.Context(), tables.FeeFilter{Tenant: ledgertest.Tenant, Sort: sort, Cursor: cursor, PageRowCount: 1})
		require.ErrorIs(t, err, tables.ErrCursor, name)
	}
}

func TestTotalsAboveTheLimitAreSaidToBe(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 13, 10)
	_, err := l.DB.ProjectorPool(t).Exec(t.Context(), `INSERT INTO tables_v1.fees SELECT 'big', n::text, 'u', '', 1, 'USD', 0, now(), '', '',
		true, 0, now(), now(), 0, 0, 0, false, 1, 1 FROM generate_series(1, 10001) AS n`)
	require.NoError(t, err)
	res, err := l.queries.Fees(t.Context(), tables.FeeFilter{Tenant: "big"})
	require.NoError(t, err)
	require.Equal(t, int64(tables.MaxTotal), res.Total)
	require.True(t, res.AtLeast)
	require.Len(t, res.Rows, tables.MaxPageRowCount)
	require.NotEmpty(t, res.Next)
	res, err = l.queries.Fees(t.Context(), tables.FeeFilter{Tenant: "big", CountExact: true})
	require.NoError(t, err)
	require.Equal(t, int64(10_001), res.Total)
	require.False(t, res.AtLeast)
}

func TestFeeSaysHowFreshItIs(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 14, 60)
	id := l.Fees[0]
	row := l.fees[id]
	res, err := l.queries.Fee(t.Context(), ledgertest.Tenant, id)
	require.NoError(t, err)
	sameRows(t, []*readmodels.Fee{row}, []*readmodels.Fee{res.Row})
	require.Equal(t, tables.FeeResult{Row: res.Row, StreamExists: true, StreamPosition: row.Position, Checkpoint: l.head, Head: l.head}, res)

	l.Change(t, id, fee.Annotate{Note: "seen by nobody yet"})
	fresh := l.Assess(t, l.Users[0], 100)
	head := l.Flush(t)
	res, err = l.queries.Fee(t.Context(), ledgertest.Tenant, fresh)
	require.NoError(t, err)
	require.Equal(t, tables.FeeResult{StreamExists: true, StreamPosition: head, Checkpoint: l.head, Head: head}, res)

	for _, unknown := range []eventstore.StreamID{{Tenant: ledgertest.Tenant, Name: "nobody"}, {Tenant: "other", Name: id}} {
		res, err = l.queries.Fee(t.Context(), unknown.Tenant, unknown.Name)
		require.NoError(t, err)
		require.Equal(t, tables.FeeResult{Checkpoint: l.head, Head: head}, res)
	}
}

func TestOpenFees(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 15, 300)
	for _, user := range append(l.Users, "nobody") {
		ids, checkpoint, err := l.queries.OpenFees(t.Context(), ledgertest.Tenant, user)
		require.NoError(t, err)
		require.Equal(t, l.head, checkpoint)
		var want []string
		for id, row := range l.fees {
			if row.UserID == user && row.Outstanding().IsPositive() && !row.Cancelled {
				want = append(want, id)
			}
		}
		require.ElementsMatch(t, want, ids)
	}
	ids, _, err := l.queries.OpenFees(t.Context(), "other", l.Users[0])
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestBeforeTheTablesAreBuilt(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 16)
	queries := tables.Queries{Pool: l.DB.AppPool(t)}
	_, err := queries.Fee(t.Context(), ledgertest.Tenant, "x")
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	_, err = queries.Fees(t.Context(), tables.FeeFilter{Tenant: ledgertest.Tenant})
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	_, err = queries.Account(t.Context(), ledgertest.Tenant, "x")
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	ids, checkpoint, err := queries.OpenFees(t.Context(), ledgertest.Tenant, "x")
	require.NoError(t, err)
	require.Empty(t, ids)
	require.Zero(t, checkpoint)
}

func TestQueriesUseTheirIndexes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 17, 10)
	pool := l.DB.ProjectorPool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO tables_v1.fees SELECT 'big', n::text, 'u' || n % 5000, 'l' || n, n % 4000, 'USD', n % 4, now(),
		'r' || n % 100, '', true, 0, now() - n * interval '1 minute', now(), 0, 0, 0, false, 1, 1 FROM generate_series(1, 50000) AS n`)
	require.NoError(t, err)

	_, err = pool.Exec(t.Context(), `ANALYZE tables_v1.fees`)
	require.NoError(t, err)
	for _, sort := range []string{"", "createdAt", "userId", "-loanId", "amount", "-status", "reason"} {
		for column, value := range map[string]string{"": "", "user_id": "u7", "loan_id": "l9", "status": "1", "amount": "3", "reason": "r5"} {
			s, err := tables.ParseSort(sort)
			require.NoError(t, err)
			condition := ""
			if column != "" {
				condition = " AND " + column + " = '" + value + "'"
			}
			rows, err := pool.Query(t.Context(), `EXPLAIN SELECT * FROM tables_v1.fees WHERE tenant = 'big'`+condition+` ORDER BY `+tables.OrderBy(s)+` LIMIT 25`)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.NotContains(t, strings.Join(plan, "\n"), "Seq Scan", "%s by %s", column, sort)
		}
	}
}
