package tables

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/compare"
)

// compared is a table as comparisons see it: its values come as the driver reads them, whatever they are.
type compared struct {
	object  string
	name    string
	columns string
	remove  string
	// stream names the stream of a row by one of the columns.
	stream func(id string) string
	of     string
}

var comparedTables = []compared{
	{string(readmodels.ObjectFee), fees.name, fees.columns, fees.remove, fee.Stream, "id"},
	{string(readmodels.ObjectFeePayment), feePayments.name, feePayments.columns, feePayments.remove, payment.Stream, "payment_id"},
	{string(readmodels.ObjectFeeEvent), feeEvents.name, feeEvents.columns, feeEvents.remove, fee.Stream, "fee_id"},
	{string(readmodels.ObjectGatewayPayment), gatewayPayments.name, gatewayPayments.columns, gatewayPayments.remove, gateway.Stream, "id"},
	{string(readmodels.ObjectPaymentCustomer), paymentCustomers.name, paymentCustomers.columns, paymentCustomers.remove, customer.Stream, "user_id"},
	{string(readmodels.ObjectPaymentMethod), paymentMethods.name, paymentMethods.columns, paymentMethods.remove, customer.Stream, "user_id"},
	{readmodels.ObjectCredit, credits.name, credits.columns, credits.remove, credit.Stream, "user_id"},
}

func columnNames(columns string) []string {
	return strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// Expected returns the rows that whole streams come to at a position; events come in order of each stream.
func Expected(events []catalog.Event, at int64) (map[compare.Place]compare.Row, error) {
	states := make(map[eventstore.StreamID]any)
	var all Changes
	for i := range events {
		if events[i].Position > at {
			continue
		}
		next, err := all.Fold(states[events[i].Stream], events[i])
		if err != nil {
			return nil, err
		}
		states[events[i].Stream] = next
	}
	rows := make(map[compare.Place]compare.Row)
	expect(rows, readmodels.ObjectFee, fees, all.Fees)
	expect(rows, readmodels.ObjectFeePayment, feePayments, all.FeePayments)
	expect(rows, readmodels.ObjectFeeEvent, feeEvents, all.FeeEvents)
	expect(rows, readmodels.ObjectGatewayPayment, gatewayPayments, all.GatewayPayments)
	expect(rows, readmodels.ObjectPaymentCustomer, paymentCustomers, all.PaymentCustomers)
	expect(rows, readmodels.ObjectPaymentMethod, paymentMethods, all.PaymentMethods)
	expect(rows, readmodels.ObjectCredit, credits, all.Credits)
	return rows, nil
}

// expect keeps of each row what the last change made of it.
func expect[R any](rows map[compare.Place]compare.Row, object readmodels.Object, t table[R], changes []Change[R]) {
	c := comparedTables[slices.IndexFunc(comparedTables, func(c compared) bool { return c.object == string(object) })]
	names := columnNames(t.columns)
	for _, change := range changes {
		key := t.key(change.New)
		rows[compare.Place{Tenant: key.Tenant, Object: c.object, ID: key.ID}] = c.row(names, t.plain(change.New))
	}
}

// row makes a row of the values of the table's columns.
func (c compared) row(names []string, values []any) compare.Row {
	r := compare.Row{Columns: names, Values: values}
	tenant, _ := r.Value("tenant").(string)
	id, _ := r.Value(c.of).(string)
	r.Stream = eventstore.StreamID{Tenant: tenant, Name: c.stream(id)}
	return r
}

// Stored returns those of the rows that stand in the tables.
func Stored(ctx context.Context, db Querier, places []compare.Place) (map[compare.Place]compare.Row, error) {
	rows := make(map[compare.Place]compare.Row, len(places))
	for _, c := range comparedTables {
		tenants, ids := c.keys(places)
		if len(ids) == 0 {
			continue
		}
		if err := c.collect(ctx, db, rows, `SELECT found.*`+wantedKeys+c.columns+` FROM tables_v2.`+c.name+byID, tenants, ids); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// keys returns the places in a table.
func (c compared) keys(places []compare.Place) (tenants, ids []string) {
	for _, p := range places {
		if p.Object == c.object {
			tenants, ids = append(tenants, p.Tenant), append(ids, p.ID)
		}
	}
	return tenants, ids
}

func (c compared) collect(ctx context.Context, db Querier, rows map[compare.Place]compare.Row, sql string, args ...any) error {
	found, err := db.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.name, err)
	}
	defer found.Close()
	names := columnNames(c.columns)
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			return fmt.Errorf("read %s: %w", c.name, err)
		}
		r := c.row(names, values)
		id, _ := r.Value("id").(string)
		rows[compare.Place{Tenant: r.Stream.Tenant, Object: c.object, ID: id}] = r
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("read %s: %w", c.name, err)
	}
	return nil
}

// StoredPage returns the rows after a place, some at a time, in the order of tables and keys, with the last of them; none at the end.
func StoredPage(ctx context.Context, db Querier, after compare.Place, limit int) (map[compare.Place]compare.Row, compare.Place, error) {
	rows := make(map[compare.Place]compare.Row)
	from := max(0, slices.IndexFunc(comparedTables, func(c compared) bool { return c.object == after.Object }))
	for _, c := range comparedTables[from:] {
		if c.object != after.Object {
			after = compare.Place{Object: c.object}
		}
		err := c.collect(ctx, db, rows, `SELECT `+c.columns+` FROM tables_v2.`+c.name+` WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3`,
			after.Tenant, after.ID, limit)
		if err != nil {
			return nil, after, err
		}
		if len(rows) == 0 {
			continue
		}
		for place := range rows {
			if place.Tenant > after.Tenant || place.Tenant == after.Tenant && place.ID > after.ID {
				after = place
			}
		}
		return rows, after, nil
	}
	return rows, after, nil
}

// Replace puts rows in the place of what stands at places. The caller holds the checkpoint's row, and has made sure that no projector
// remembers what it replaces.
func Replace(ctx context.Context, tx pgx.Tx, places []compare.Place, rows map[compare.Place]compare.Row) error {
	for _, c := range comparedTables {
		tenants, ids := c.keys(places)
		if _, err := tx.Exec(ctx, c.remove, tenants, ids); err != nil {
			return fmt.Errorf("take rows out of %s: %w", c.name, err)
		}
		var values [][]any
		for place, r := range rows {
			if place.Object == c.object {
				values = append(values, r.Values)
			}
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"tables_v2", c.name}, columnNames(c.columns), pgx.CopyFromRows(values)); err != nil {
			return fmt.Errorf("put rows into %s: %w", c.name, err)
		}
	}
	return nil
}
