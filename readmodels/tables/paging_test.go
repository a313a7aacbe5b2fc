package tables_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// changes are what events may do to the rows of an object: to what no list sorts by, and to the fields that lists sort by.
type changes struct {
	table string
	other string
	moves map[string]string
}

var changesOf = map[readmodels.Object]changes{
	readmodels.ObjectFee: {"fees", "note = 'changed'", map[string]string{
		"amount": "amount = (amount * 7 + 13) % 4000", "status": "status = (status + 1) % 4",
	}},
	readmodels.ObjectFeePayment: {"fee_payments", "note = 'changed'", map[string]string{"paymentStatus": "payment_status = (payment_status + 1) % 4"}},
	readmodels.ObjectGatewayPayment: {"gateway_payments", "redirect_url = 'changed'", map[string]string{
		"paymentId": "payment_id = reverse(payment_id)", "paymentStatus": "payment_status = reverse(payment_status)", "statusLiteral": "status_literal = reverse(status_literal)",
	}},
	readmodels.ObjectFeeEvent:        {"fee_events", "note = 'changed'", nil},
	readmodels.ObjectPaymentCustomer: {"payment_customers", "customer_id = 'changed'", nil},
	readmodels.ObjectPaymentMethod:   {"payment_methods", "card_holder_name = 'changed'", nil},
}

// Whoever pages by cursor sees each row exactly once that is there all the time and whose place in the order stays, whatever is
// inserted, changed, deleted and moved between two pages and during one. An order by what no event changes moves no row.
func TestPagingByCursorWhileRowsChange(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 17, 10)
	pool := l.DB.ProjectorPool(t)
	for _, object := range readmodels.Objects() {
		fill(t, pool, object, 120)
		for _, field := range append([]string{"createdAt"}, tables.FieldsOf(object)...) {
			for _, sort := range []string{field, "-" + field} {
				by, err := tables.ParseSort(object, sort)
				require.NoError(t, err)
				seen := l.pageWhileRowsChange(t, pool, object, by, 20)
				for n := 1; n <= 120; n++ {
					if n%10 > 2 || n%10 > 0 && changesOf[object].moves[field] == "" {
						require.Equal(t, 1, seen[fmt.Sprint(n)], "%s %d by %s", object, n, sort)
					}
				}
			}
		}
	}
}

// pageWhileRowsChange counts how often each row is seen. Of ten rows one comes and goes, with a new one beside it; two are moved if
// the order can move them; the rest are changed otherwise.
func (l *library) pageWhileRowsChange(t *testing.T, pool *pgxpool.Pool, object readmodels.Object, by tables.Sort, size int) map[string]int {
	t.Helper()
	of := changesOf[object]
	move := of.moves[strings.TrimPrefix(by.String(), "-")]
	if move == "" {
		move = of.other
	}
	round := []string{
		`DELETE FROM tables_v2.` + of.table + ` WHERE tenant = 'big' AND id::int > 120`,
		`UPDATE tables_v2.` + of.table + ` SET is_active = NOT is_active WHERE tenant = 'big' AND id::int % 10 = 0`,
		`INSERT INTO tables_v2.` + of.table + ` SELECT (jsonb_populate_record(r, jsonb_build_object('id', (id::int + 1000)::text, 'is_active', true))).*
			FROM tables_v2.` + of.table + ` AS r WHERE tenant = 'big' AND id::int % 10 = 0`,
		`UPDATE tables_v2.` + of.table + ` SET ` + move + ` WHERE tenant = 'big' AND id::int % 10 IN (1, 2)`,
		`UPDATE tables_v2.` + of.table + ` SET ` + of.other + ` WHERE tenant = 'big' AND id::int % 10 > 2`,
	}
	seen := make(map[string]int)
	f := tables.Filter{Tenant: "big", Sort: by, PageNumber: 1, PageRowCount: size}
	for {
		var beside sync.WaitGroup
		var failed error
		beside.Go(func() {
			for _, sql := range round {
				if _, err := pool.Exec(context.Background(), sql); err != nil {
					failed = fmt.Errorf("%s: %w", sql, err)
				}
			}
		})
		got, err := l.queries.List(t.Context(), object, f)
		beside.Wait()
		require.NoError(t, err)
		require.NoError(t, failed)
		for _, row := range got.Rows {
			seen[row.Key()]++
		}
		if f.Cursor = got.Next; f.Cursor == "" {
			return seen
		}
	}
}
