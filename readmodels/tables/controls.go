package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Control is what all rows of a tenant come to in one currency, in minor units as decimal text: it has no bound.
type Control struct {
	Tenant, Currency string
	Owed             string // on fees
	Credit           string // left of credits
}

const sqlControls = `
SELECT tenant, currency, sum(owed)::text, sum(credit)::text FROM (
    SELECT tenant, currency, (amount - paid - reduced)::numeric AS owed, 0::numeric AS credit FROM tables_v2.fees
    UNION ALL SELECT tenant, currency, 0, remaining FROM tables_v2.credits
) AS rows GROUP BY tenant, currency ORDER BY tenant, currency`

// Controls adds up all fees and credits. It reads all their rows.
func Controls(ctx context.Context, db Querier) ([]Control, error) {
	rows, err := db.Query(ctx, sqlControls)
	if err != nil {
		return nil, fmt.Errorf("add up fees and credits: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Control])
}
