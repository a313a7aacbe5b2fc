package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
)

// Account is what a person owes and has with the library, all of one snapshot.
type Account struct {
	Totals     []AccountTotal          // by currency code
	Fees       []*readmodels.Fee       // what is still owed, the oldest first: MaxPageRowCount at most
	Credits    []*readmodels.CreditLot // of which something is left, the oldest first: MaxPageRowCount at most
	Checkpoint int64
}

// AccountTotal is the sum of all open fees and living credits in one currency, also beyond those that are listed.
type AccountTotal struct {
	Owed     money.Amount // outstanding
	Reserved money.Amount // of that, for payments that are on their way
	Credit   money.Amount // not yet spent
	Fees     int64        // open ones
}

const (
	sqlAccountFees = `SELECT ` + feeColumns + ` FROM tables_v2.fees
WHERE tenant = $1 AND user_id = $2 AND is_active AND status IN (0, 1) ORDER BY created_at, id LIMIT $3`

	sqlAccountCredits = `SELECT ` + lotColumns + ` FROM tables_v2.credits
WHERE tenant = $1 AND user_id = $2 AND remaining > 0 ORDER BY granted_at, id LIMIT $3`

	sqlAccountTotals = `
SELECT currency, sum(owed)::bigint, sum(reserved)::bigint, sum(credit)::bigint, sum(fees)::bigint FROM (
    SELECT currency, amount - paid - reduced AS owed, least(reserved, amount - paid - reduced) AS reserved, 0 AS credit, 1 AS fees FROM tables_v2.fees
    WHERE tenant = $1 AND user_id = $2 AND is_active AND status IN (0, 1)
    UNION ALL
    SELECT currency, 0, 0, remaining, 0 FROM tables_v2.credits WHERE tenant = $1 AND user_id = $2 AND remaining > 0
) AS all_of_it GROUP BY currency ORDER BY currency`
)

// Account returns the account of a person, an empty one for somebody without fees and credits. checkpoints.ErrNotBuilt: there are
// no tables yet.
func (q Queries) Account(ctx context.Context, tenant, userID string) (Account, error) {
	var a Account
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, q.Pool, options, func(tx pgx.Tx) (err error) {
		if a.Checkpoint, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		if a.Fees, err = list(ctx, tx, fees, sqlAccountFees, tenant, userID, MaxPageRowCount); err != nil {
			return err
		}
		if a.Credits, err = list(ctx, tx, credits, sqlAccountCredits, tenant, userID, MaxPageRowCount); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlAccountTotals, tenant, userID)
		if err != nil {
			return err
		}
		a.Totals, err = pgx.CollectRows(rows, scanTotal)
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("read the account of %s: %w", userID, checkpoints.NotBuilt(err))
	}
	return a, nil
}

func scanTotal(row pgx.CollectableRow) (AccountTotal, error) {
	var code string
	var owed, reserved, credit, count int64
	if err := row.Scan(&code, &owed, &reserved, &credit, &count); err != nil {
		return AccountTotal{}, err
	}
	cur, err := money.ParseCurrency(code)
	return AccountTotal{Owed: money.New(owed, cur), Reserved: money.New(reserved, cur), Credit: money.New(credit, cur), Fees: count}, err
}

func list[R any](ctx context.Context, db Querier, t table[R], sql string, args ...any) ([]R, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (R, error) { return t.scan(row) })
}
