package books

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// Controls is the books held against the rows of the tables (I5).
type Controls struct {
	Books, Tables int64 // positions; the books were taken back to that of the tables, if they had come further
	Compared      bool  // false when the tables had come further than the books
	Differences   []ControlDifference
}

// ControlDifference is a control account that stands elsewhere than the rows come to.
type ControlDifference struct{ Tenant, Currency, What string }

// String names tenant and currency, and says what differs.
func (d ControlDifference) String() string { return d.Tenant + " " + d.Currency + ": " + d.What }

const sqlControls = `
SELECT tenant, currency,
    sum(CASE WHEN debit = 1100 THEN amount WHEN credit = 1100 THEN -amount ELSE 0 END)::text,
    sum(CASE WHEN credit = 2100 THEN amount WHEN debit = 2100 THEN -amount ELSE 0 END)::text
FROM (
    SELECT tenant, currency, debit, credit, amount FROM books_v1.turnovers
    UNION ALL SELECT tenant, currency, debit, credit, -amount FROM books_v1.journal WHERE position > $1
) AS p GROUP BY tenant, currency ORDER BY tenant, currency`

// Controls compares the control accounts of all tenants with the sums of the tables' rows, which another projection folds, at the tables'
// position. It reads all fees and credits.
func (q Queries) Controls(ctx context.Context) (Controls, error) {
	var c Controls
	err := pgx.BeginTxFunc(ctx, q.Pool, snapshot, func(tx pgx.Tx) (err error) {
		if c.Books, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		if c.Tables, err = checkpoints.Read(ctx, tx, tables.Projection()); err != nil {
			return err
		}
		if c.Compared = c.Tables <= c.Books; !c.Compared {
			return nil
		}
		c.Differences, err = differences(ctx, tx, c.Tables)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("compare the books with the tables: %w", checkpoints.NotBuilt(err))
	}
	return c, nil
}

func differences(ctx context.Context, tx pgx.Tx, position int64) ([]ControlDifference, error) {
	wanted, err := tables.Controls(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sqlControls, position)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tables.Control])
	if err != nil {
		return nil, err
	}
	type key struct{ tenant, currency string }
	posted := make(map[key]tables.Control)
	for _, f := range found {
		posted[key{f.Tenant, f.Currency}] = f
	}
	var list []ControlDifference
	add := func(k key, owed, credit string) {
		f, ok := posted[k]
		if !ok {
			f.Owed, f.Credit = "0", "0"
		}
		if f.Owed != owed {
			list = append(list, ControlDifference{k.tenant, k.currency, fmt.Sprintf("fees owe %s, account 1100 stands at %s", owed, f.Owed)})
		}
		if f.Credit != credit {
			list = append(list, ControlDifference{k.tenant, k.currency, fmt.Sprintf("credits are %s, account 2100 stands at %s", credit, f.Credit)})
		}
		delete(posted, k)
	}
	for _, w := range wanted {
		add(key{w.Tenant, w.Currency}, w.Owed, w.Credit)
	}
	for k := range posted {
		add(k, "0", "0")
	}
	return list, nil
}
