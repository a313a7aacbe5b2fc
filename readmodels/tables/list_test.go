package tables_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/tables"
	"payledger/readmodels/totals"
)

// printed is a row and what its JSON says: lists are compared by the contract's names, not by columns.
type printed struct {
	row    readmodels.Row
	fields map[string]any
}

// text returns a field as text, empty for null.
func (p printed) text(field string) string {
	if s, ok := p.fields[field].(string); ok {
		return s
	}
	return ""
}

// value returns what a condition on the field would ask for to find this row.
func (p printed) value(field string) any {
	if fee, ok := p.row.(*readmodels.Fee); ok && field == "amount" {
		return fee.Amount
	}
	if index, ok := p.fields[field+"_idx"].(json.Number); ok {
		n, _ := index.Int64()
		return int(n)
	}
	return p.text(field)
}

func (l *library) printed(t require.TestingT, object readmodels.Object) []printed {
	var rows []readmodels.Row
	switch object {
	case readmodels.ObjectFee:
		for _, r := range l.fees {
			rows = append(rows, r)
		}
	case readmodels.ObjectFeePayment:
		rows = rowsOf(l.rows.FeePayments)
	case readmodels.ObjectGatewayPayment:
		rows = rowsOf(l.rows.GatewayPayments)
	case readmodels.ObjectFeeEvent:
		rows = rowsOf(l.rows.FeeEvents)
	case readmodels.ObjectPaymentCustomer:
		rows = rowsOf(l.rows.PaymentCustomers)
	case readmodels.ObjectPaymentMethod:
		rows = rowsOf(l.rows.PaymentMethods)
	}
	all := make([]printed, len(rows))
	for i, r := range rows {
		all[i].row = r
		decoder := json.NewDecoder(bytes.NewReader(r.AppendJSON(nil, true)))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&all[i].fields))
	}
	return all
}

func rowsOf[R readmodels.Row](set tables.Set[R]) []readmodels.Row {
	rows := make([]readmodels.Row, len(set.New))
	for i, r := range set.New {
		rows[i] = r
	}
	return rows
}

// list is the list that the tables should show: filtered and sorted by the test.
func list(all []printed, f tables.Filter) []printed {
	var found []printed
	for _, p := range all {
		if f.Tenant == ledgertest.Tenant && p.row.Active() && seenBy(f.Owner, p.row) && meets(p, f.Where) {
			found = append(found, p)
		}
	}
	field, descending := strings.CutPrefix(f.Sort.String(), "-")
	slices.SortFunc(found, func(a, b printed) int {
		c := cmp.Or(compare(a.value(field), b.value(field)), strings.Compare(a.text("createdAt"), b.text("createdAt")), strings.Compare(a.row.Key(), b.row.Key()))
		if descending {
			return -c
		}
		return c
	})
	return found
}

func seenBy(owner string, row readmodels.Row) bool {
	event, isEvent := row.(*readmodels.FeeEvent)
	return owner == "" || owner == row.Owner() && (!isEvent || !event.StaffOnly)
}

func meets(p printed, where []tables.Condition) bool {
	for _, c := range where {
		if c.Value != "" && c.Value != p.value(c.Field) {
			return false
		}
	}
	return true
}

func compare(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case int:
		return cmp.Compare(a, b.(int))
	case money.Amount:
		return cmp.Compare(a.Minor(), b.(money.Amount).Minor())
	}
	panic(fmt.Sprintf("a value of type %T", a))
}

func texts(rows []printed) []string {
	var all []string
	for _, p := range rows {
		all = append(all, string(p.row.AppendJSON(nil, true)))
	}
	return all
}

func textsOf(rows []readmodels.Row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, string(r.AppendJSON(nil, true)))
	}
	return all
}

func TestListsShowWhatTheLogSays(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 11, 500)
	for _, object := range readmodels.Objects() {
		all := l.printed(t, object)
		require.NotEmpty(t, all, object)
		require.Less(t, len(list(all, tables.Filter{Tenant: ledgertest.Tenant})), tables.MaxPageRowCount, "a page shows all of %s", object)
		fields := tables.FieldsOf(object)
		require.NotEmpty(t, fields)
		sorts := []string{"", "createdAt", "-createdAt"}
		for _, field := range fields {
			sorts = append(sorts, field, "-"+field)
		}
		t.Run(string(object), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				one := func(what string) printed { return rapid.SampledFrom(all).Draw(rt, what) }
				f := tables.Filter{
					Tenant:       rapid.SampledFrom([]string{ledgertest.Tenant, ledgertest.Tenant, ledgertest.Tenant, "other"}).Draw(rt, "tenant"),
					Owner:        rapid.SampledFrom([]string{"", "", one("owner").row.Owner(), "nobody"}).Draw(rt, "member"),
					PageRowCount: rapid.IntRange(1, 40).Draw(rt, "rows"), PageNumber: rapid.IntRange(0, 6).Draw(rt, "page"),
					CountExact: rapid.Bool().Draw(rt, "exact"),
				}
				for _, field := range fields {
					if rapid.IntRange(0, 3).Draw(rt, "by "+field) == 0 {
						f.Where = append(f.Where, tables.Condition{Field: field, Value: one(field).value(field)})
					}
				}
				var err error
				f.Sort, err = tables.ParseSort(object, rapid.SampledFrom(sorts).Draw(rt, "sort"))
				require.NoError(rt, err)
				l.requireListed(rt, object, list(all, f), f)
			})
		})
	}
}

// requireListed asks for a page and from there, by cursor, for all that follow.
func (l *library) requireListed(t *rapid.T, object readmodels.Object, want []printed, f tables.Filter) {
	got, err := l.queries.List(context.Background(), object, f)
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), got.Total)
	require.False(t, got.AtLeast)
	require.Equal(t, l.head, got.Checkpoint)
	size := f.PageRowCount
	if f.PageNumber == 0 {
		size = tables.MaxPageRowCount
	}
	from := min(len(want), max(0, f.PageNumber-1)*size)
	require.Equal(t, texts(want[from:min(len(want), from+size)]), textsOf(got.Rows))
	for from += len(got.Rows); got.Next != ""; from += len(got.Rows) {
		f.Cursor = got.Next
		got, err = l.queries.List(context.Background(), object, f)
		require.NoError(t, err)
		require.Equal(t, texts(want[from:min(len(want), from+f.PageRowCount)]), textsOf(got.Rows))
	}
	if f.PageNumber <= 1 {
		require.Len(t, want, from, "every row was shown")
	}
}

func TestCallersCursorsSortsAndFilters(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 12, 30)
	ask := func(f tables.Filter) (tables.Page, error) {
		f.Tenant, f.PageRowCount = ledgertest.Tenant, 1
		return l.queries.List(t.Context(), readmodels.ObjectFee, f)
	}
	for _, text := range []string{"note", "--amount", "-", "feeId"} {
		_, err := tables.ParseSort(readmodels.ObjectFee, text)
		require.ErrorIs(t, err, tables.ErrSort, text)
	}
	amount, err := tables.ParseSort(readmodels.ObjectFee, "amount")
	require.NoError(t, err)
	page, err := ask(tables.Filter{Sort: amount, PageNumber: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for name, cursor := range map[string]string{
		"of another order": page.Next, "not base64": "!!", "not JSON": "bm8", "not a number": "eyJzIjoiYW1vdW50IiwidiI6IngiLCJjIjoiMjAyNi0wMy0wMVQwOTowMDowMFoiLCJpIjoiYSJ9",
		"a time of no calendar": "eyJzIjoiYW1vdW50IiwidiI6IjEiLCJjIjoiMDAwMS0wMS0wMVQwMDowMDowMFoiLCJpIjoiYSJ9",
	} {
		sort := amount
		if name == "of another order" {
			sort = tables.Sort{}
		}
		_, err := ask(tables.Filter{Sort: sort, Cursor: cursor})
		require.ErrorIs(t, err, tables.ErrCursor, name)
	}
	for _, c := range []tables.Condition{{Field: "note", Value: "x"}, {Field: "status", Value: "paid"}, {Field: "userId", Value: 1}, {Field: "userId", Value: true}, {Field: "userId"}} {
		_, err := ask(tables.Filter{Where: []tables.Condition{c}})
		require.ErrorIs(t, err, tables.ErrFilter, "%+v", c)
	}
	_, err = l.queries.List(t.Context(), "nothing", tables.Filter{Tenant: ledgertest.Tenant})
	require.ErrorIs(t, err, tables.ErrFilter)
}

func TestTotalsAboveTheLimitAreSaidToBe(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 13, 10)
	fill(t, l.DB.ProjectorPool(t), readmodels.ObjectFee, 10_001)
	res, err := l.queries.List(t.Context(), readmodels.ObjectFee, tables.Filter{Tenant: "big"})
	require.NoError(t, err)
	require.Equal(t, int64(tables.MaxTotal), res.Total)
	require.True(t, res.AtLeast)
	require.Len(t, res.Rows, tables.MaxPageRowCount)
	require.NotEmpty(t, res.Next)
	res, err = l.queries.List(t.Context(), readmodels.ObjectFee, tables.Filter{Tenant: "big", CountExact: true})
	require.NoError(t, err)
	require.Equal(t, int64(10_001), res.Total)
	require.False(t, res.AtLeast)
}

// A list that is known to be long isn't counted again until enough events have come to make it short.
func TestLongListsAreNotCountedAgain(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 13, 10)
	l.queries.Totals = totals.NewMemory()
	pool := l.DB.ProjectorPool(t)
	fill(t, pool, readmodels.ObjectFee, totals.CountTo)
	change := func(sql string) {
		t.Helper()
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	total := func(exact bool) (int64, bool) {
		t.Helper()
		page, err := l.queries.List(t.Context(), readmodels.ObjectFee, tables.Filter{Tenant: "big", CountExact: exact, PageNumber: 1, PageRowCount: 1})
		require.NoError(t, err)
		require.Len(t, page.Rows, 1)
		return page.Total, page.AtLeast
	}
	known := func(want int64, atLeast bool, because string) {
		t.Helper()
		n, more := total(false)
		require.Equal(t, want, n, because)
		require.Equal(t, atLeast, more, because)
	}
	known(tables.MaxTotal, true, "counted")
	change(`UPDATE tables_v2.fees SET is_active = false WHERE tenant = 'big' AND id <> '7'`)
	known(tables.MaxTotal, true, "no event can have done this: the list isn't counted")
	n, _ := total(true)
	require.EqualValues(t, 1, n, "asked to count")
	change(`UPDATE ledger.checkpoints SET position = position + 999`)
	known(tables.MaxTotal, true, "999 events")
	change(`UPDATE ledger.checkpoints SET position = position + 1`)
	known(1, false, "1,000 events")
	change(`UPDATE tables_v2.fees SET is_active = true WHERE tenant = 'big'`)
	known(tables.MaxTotal, true, "counted again")
	change(`UPDATE tables_v2.fees SET is_active = false WHERE tenant = 'big' AND id <> '7'`)
	change(`UPDATE ledger.checkpoints SET position = position - 1`)
	known(1, false, "the tables went back: they are others")
}

// fills make rows of tenant big, of which n of 5,000 have the same text in each field that is filtered by.
var fills = map[readmodels.Object]string{
	readmodels.ObjectFee: `INSERT INTO tables_v2.fees SELECT 'big', n::text, 'u' || n % 5000, 'l' || n, n % 4000, 'USD', n % 4, now(),
		'r' || n % 100, repeat('note ', 20), true, 0, now() - n * interval '1 minute', now(), 0, 0, 0, false, 1, 1 FROM generate_series(1, $1::int) AS n`,
	readmodels.ObjectFeePayment: `INSERT INTO tables_v2.fee_payments SELECT 'big', n::text, 'p' || n, 'f' || n % 5000, 100, 'USD', 'u' || n % 5000, n % 4, n % 4, now(),
		'', '', repeat('note ', 20), true, 0, now() - n * interval '1 minute', now(), 1 FROM generate_series(1, $1::int) AS n`,
	readmodels.ObjectFeeEvent: `INSERT INTO tables_v2.fee_events SELECT 'big', n::text, 'f' || n % 5000, 'u' || n % 5000, n % 7, now(), 'a' || n % 100,
		repeat('note ', 20), n % 10 = 0, true, 0, now() - n * interval '1 minute', now(), 1 FROM generate_series(1, $1::int) AS n`,
	readmodels.ObjectGatewayPayment: `INSERT INTO tables_v2.gateway_payments SELECT 'big', n::text, 'u' || n % 5000, 'f' || n, 'pi' || n, 's' || n % 5, 'l' || n % 4,
		repeat('url', 20), true, 0, now() - n * interval '1 minute', now(), 1 FROM generate_series(1, $1::int) AS n`,
	readmodels.ObjectPaymentCustomer: `INSERT INTO tables_v2.payment_customers SELECT 'big', n::text, 'u' || n % 5000, 'cus' || n, 'stripe', true, 0,
		now() - n * interval '1 minute', now(), 1 FROM generate_series(1, $1::int) AS n`,
	readmodels.ObjectPaymentMethod: `INSERT INTO tables_v2.payment_methods SELECT 'big', n::text, 'pm' || n, 'u' || n % 5000, 'cus' || n, 'name', 'zip', 'stripe', 'visa', '4242',
		1, 2030, true, 0, now() - n * interval '1 minute', now(), 1 FROM generate_series(1, $1::int) AS n`,
}

func fill(t *testing.T, pool *pgxpool.Pool, object readmodels.Object, n int) {
	t.Helper()
	_, err := pool.Exec(t.Context(), fills[object], n)
	require.NoError(t, err)
}

// known are values that fill makes, by the first letter that is theirs.
func known(object readmodels.Object, field string) any {
	switch field {
	case "status", "paymentMethod", "eventType":
		return 1
	case "paymentStatus":
		if object == readmodels.ObjectFeePayment {
			return 1
		}
		return "s1"
	case "amount":
		usd, _ := money.ParseCurrency("USD")
		return money.New(7, usd)
	case "reason":
		return "r5"
	case "actorUserId":
		return "a5"
	case "loanId":
		return "l77"
	case "feeId", "orderId":
		return "f77"
	case "paymentId":
		return "pi77"
	case "statusLiteral":
		return "l1"
	default:
		return "u77"
	}
}

// Behind every filter and every sort of every list stands an index: none reads a table through, and none sorts much.
func TestListsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 17, 10)
	pool := l.DB.ProjectorPool(t)
	for object := range fills {
		fill(t, pool, object, 20_000)
	}
	_, err := pool.Exec(t.Context(), `VACUUM ANALYZE`)
	require.NoError(t, err)
	for _, object := range readmodels.Objects() {
		fields := tables.FieldsOf(object)
		for _, text := range append([]string{"", "createdAt"}, both(fields)...) {
			sort, err := tables.ParseSort(object, text)
			require.NoError(t, err)
			requireIndexed(t, pool, object, tables.Filter{Sort: sort}, 600)
			requireIndexed(t, pool, object, tables.Filter{Sort: sort, Owner: "u77"}, 600)
			limit := 3000 // a filter and another field's sort: the index of one or of the other
			if text == "" {
				limit = 600
			}
			for _, field := range fields {
				requireIndexed(t, pool, object, tables.Filter{Sort: sort, Where: []tables.Condition{{Field: field, Value: known(object, field)}}}, limit)
			}
			f := tables.Filter{Tenant: "big", Sort: sort, PageNumber: 1, PageRowCount: 25}
			page, err := l.queries.List(t.Context(), object, f)
			require.NoError(t, err)
			f.Cursor = page.Next
			requireIndexed(t, pool, object, f, 600)
		}
	}
}

func both(fields []string) []string {
	var sorts []string
	for _, field := range fields {
		sorts = append(sorts, field, "-"+field)
	}
	return sorts
}

// requireIndexed runs a list and bounds the blocks that it looks at: the page, and the index alone for what is only counted.
// With the indexes each table has some 1,000 blocks. It holds for the plan that Postgres makes for the values, and for the one that it keeps for
// all values when it has met the statement often: planning a page anew would take longer than reading it.
func requireIndexed(t *testing.T, pool *pgxpool.Pool, object readmodels.Object, f tables.Filter, limit int) {
	t.Helper()
	f.Tenant, f.PageRowCount, f.PageNumber = "big", 25, 1
	sql, args, err := tables.ListSQL(object, f)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "PREPARE list AS "+sql)
		require.NoError(t, err)
		execute := "EXECUTE list" + places(len(args))
		values := append([]any{pgx.QueryExecModeSimpleProtocol}, args...)
		require.LessOrEqual(t, blocks(t, tx, execute, values), limit, "%s %+v", object, f)
		for range plansForValues {
			_, err := tx.Exec(t.Context(), "EXPLAIN "+execute, values...)
			require.NoError(t, err)
		}
		require.LessOrEqual(t, blocks(t, tx, execute, values), limit, "the kept plan of %s %+v", object, f)
		var kept int
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT generic_plans FROM pg_prepared_statements WHERE name = 'list'").Scan(&kept))
		require.Positive(t, kept, "%s %+v is planned each time", object, f)
		_, err = tx.Exec(t.Context(), "DEALLOCATE list")
		return err
	}))
}

// plansForValues is how often Postgres plans a statement for its values before it thinks of one plan for all.
const plansForValues = 5

// places returns the places of n arguments: ($1, $2).
func places(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(i+1)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// blocks runs a statement and returns how many blocks it looked at.
func blocks(t *testing.T, tx pgx.Tx, execute string, values []any) int {
	t.Helper()
	var raw []byte
	require.NoError(t, tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+execute, values...).Scan(&raw))
	var answer []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		} `json:"Plan"`
	}
	require.NoError(t, json.Unmarshal(raw, &answer))
	return answer[0].Plan.Hit + answer[0].Plan.Read
}
