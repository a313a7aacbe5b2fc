// Package persons finds the rows of a person by the log: of erased ones no read model may show a text any more, deleted rows included.
package persons

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/readmodels"
)

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Rows are the ids of a person's rows that may have texts.
type Rows struct {
	Fees, FeeEvents, Payments, PaymentMethods []string
}

// Documents returns objects and ids of the rows that have documents named after them alone: all but payments, whose rows are allocations.
func (r Rows) Documents() (objects, ids []string) {
	for _, of := range []struct {
		object readmodels.Object
		ids    []string
	}{{readmodels.ObjectFee, r.Fees}, {readmodels.ObjectFeeEvent, r.FeeEvents}, {readmodels.ObjectPaymentMethod, r.PaymentMethods}} {
		for _, id := range of.ids {
			objects, ids = append(objects, string(of.object)), append(ids, id)
		}
	}
	return objects, ids
}

// A note's feeEvent has the note's own id, the others have those of their events.
const sqlRows = `
WITH theirs AS MATERIALIZED (SELECT stream FROM ledger.streams WHERE tenant = $1 AND subject = $2 AND subject <> '')
SELECT 'fee', substr(stream, length($3::text) + 1) FROM theirs WHERE starts_with(stream, $3)
UNION ALL SELECT 'payment', substr(stream, length($4::text) + 1) FROM theirs WHERE starts_with(stream, $4)
UNION ALL SELECT 'event', row.id FROM theirs CROSS JOIN LATERAL (
    SELECT DISTINCT coalesce(convert_from(e.data, 'UTF8')::json ->> 'noteId', e.id::text) AS id
    FROM ledger.events e WHERE e.tenant = $1 AND e.stream = theirs.stream) row WHERE starts_with(stream, $3)
UNION ALL SELECT 'method', row.id FROM theirs CROSS JOIN LATERAL (
    SELECT DISTINCT convert_from(e.data, 'UTF8')::json ->> 'id' AS id
    FROM ledger.events e WHERE e.tenant = $1 AND e.stream = theirs.stream) row WHERE stream = $5 AND row.id IS NOT NULL`

// Find returns the rows that the log knows; a read model may not have all of them yet.
func Find(ctx context.Context, db Querier, tenant, userID string) (Rows, error) {
	rows, err := db.Query(ctx, sqlRows, tenant, userID, fee.Stream(""), payment.Stream(""), customer.Stream(userID))
	if err != nil {
		return Rows{}, fmt.Errorf("find the rows of a person: %w", err)
	}
	var found Rows
	var kind, id string
	lists := map[string]*[]string{"fee": &found.Fees, "payment": &found.Payments, "event": &found.FeeEvents, "method": &found.PaymentMethods}
	if _, err := pgx.ForEachRow(rows, []any{&kind, &id}, func() error {
		*lists[kind] = append(*lists[kind], id)
		return nil
	}); err != nil {
		return Rows{}, fmt.Errorf("find the rows of a person: %w", err)
	}
	return found, nil
}
