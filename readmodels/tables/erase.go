package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels/persons"
)

const (
	sqlEraseFees = `UPDATE tables_v2.fees AS r SET note = '' FROM unnest($2::text[]) AS k (id)
WHERE r.tenant = $1 AND r.id = k.id AND r.note <> ''`
	sqlEraseFeePayments = `UPDATE tables_v2.fee_payments AS r SET note = '' FROM unnest($2::text[]) AS k (id)
WHERE r.tenant = $1 AND r.payment_id = k.id AND r.note <> ''`
	sqlEraseFeeEvents = `UPDATE tables_v2.fee_events AS r SET note = '' FROM unnest($2::text[]) AS k (id)
WHERE r.tenant = $1 AND r.id = k.id AND r.note <> ''`
	sqlErasePaymentMethods = `UPDATE tables_v2.payment_methods AS r SET card_holder_name = '', card_holder_zip = '' FROM unnest($2::text[]) AS k (id)
WHERE r.tenant = $1 AND r.id = k.id`
)

// Erase empties the texts of a person's rows. That is what their streams come to once no text of them can be opened: nothing else
// of a row depends on a text.
func Erase(ctx context.Context, tx pgx.Tx, tenant, userID string) error {
	rows, err := persons.Find(ctx, tx, tenant, userID)
	if err != nil {
		return err
	}
	for _, of := range []struct {
		sql string
		ids []string
	}{
		{sqlEraseFees, rows.Fees}, {sqlEraseFeePayments, rows.Payments}, {sqlEraseFeeEvents, rows.FeeEvents}, {sqlErasePaymentMethods, rows.PaymentMethods},
	} {
		if _, err := tx.Exec(ctx, of.sql, tenant, of.ids); err != nil {
			return fmt.Errorf("erase the texts of a person's rows: %w", err)
		}
	}
	return nil
}
