package books

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/books"
	"payledger/domain/money"
)

// Filter chooses entries of the journal. Empty texts, nil and zero choose all.
type Filter struct {
	Bounds
	From                               *time.Time // first effective instant; Bounds.AsOf is the last
	Account                            books.Account
	UserID, FeeID, PaymentID, CreditID string
	After                              int64 // position: entries behind it only
	Limit                              int   // most entries; 0 for no limit
}

// The account is that of the accrual profile.
const sqlJournal = `
SELECT tenant, position, effective_at, debit, credit, fee_type, amount, currency, user_id, fee_id, payment_id, credit_id
FROM books_v1.journal
WHERE tenant = $1 AND position > $2 AND position <= $3 AND ($4::timestamptz IS NULL OR effective_at >= $4) AND ($5::timestamptz IS NULL OR effective_at <= $5)
    AND ($6::smallint = 0 OR debit = $6 OR credit = $6) AND ($7 = '' OR user_id = $7) AND ($8 = '' OR fee_id = $8) AND ($9 = '' OR payment_id = $9)
    AND ($10 = '' OR credit_id = $10)
ORDER BY position LIMIT nullif($11, 0)`

// Journal calls each with the chosen entries, by position, without holding them all, and returns the position that they are known at.
// An error of each ends it and is returned.
func (q Queries) Journal(ctx context.Context, f Filter, each func(Entry) error) (knownAt int64, err error) {
	err = q.within(ctx, f.Bounds, func(tx pgx.Tx, _, at int64) error {
		knownAt = at
		rows, err := tx.Query(ctx, sqlJournal, f.Tenant, f.After, at, f.From, f.AsOf, int16(f.Account), f.UserID, f.FeeID, f.PaymentID, f.CreditID, f.Limit)
		if err != nil {
			return err
		}
		return forEach(rows, scanEntry, each)
	})
	return knownAt, err
}

func forEach[R any](rows pgx.Rows, scan func(pgx.CollectableRow) (R, error), each func(R) error) error {
	defer rows.Close()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Item is what a fee owes or a credit has left: one of those that make up the balance of a control account.
type Item struct {
	ID      string // of the fee or of the credit
	UserID  string
	FeeType books.FeeType // of a fee
	Amount  money.Amount  // more than zero, unless the fee's events took effect in another order than they were recorded
	Since   time.Time     // when the first of it took effect: of a fee, from when it is owed
}

const (
	sqlOpenFees = `
SELECT fee_id, max(user_id), max(fee_type), currency, sum(CASE debit WHEN 1100 THEN amount ELSE -amount END)::bigint, min(effective_at)
FROM books_v1.journal
WHERE tenant = $1 AND position <= $2 AND ($3::timestamptz IS NULL OR effective_at <= $3) AND (debit = 1100 OR credit = 1100)
GROUP BY fee_id, currency HAVING sum(CASE debit WHEN 1100 THEN amount ELSE -amount END) <> 0 ORDER BY min(effective_at), fee_id`

	sqlOpenCredits = `
SELECT credit_id, max(user_id), '', currency, sum(CASE credit WHEN 2100 THEN amount ELSE -amount END)::bigint, min(effective_at)
FROM books_v1.journal
WHERE tenant = $1 AND position <= $2 AND ($3::timestamptz IS NULL OR effective_at <= $3) AND (debit = 2100 OR credit = 2100)
GROUP BY credit_id, currency HAVING sum(CASE credit WHEN 2100 THEN amount ELSE -amount END) <> 0 ORDER BY min(effective_at), credit_id`
)

// OpenFees calls each with every fee that owes something within bounds, the oldest first: together they are the balance of Receivables.
func (q Queries) OpenFees(ctx context.Context, b Bounds, each func(Item) error) (knownAt int64, err error) {
	return q.open(ctx, b, sqlOpenFees, each)
}

// OpenCredits calls each with every credit of which something is left, the oldest first: together they are the balance of PatronCredits.
func (q Queries) OpenCredits(ctx context.Context, b Bounds, each func(Item) error) (knownAt int64, err error) {
	return q.open(ctx, b, sqlOpenCredits, each)
}

func (q Queries) open(ctx context.Context, b Bounds, sql string, each func(Item) error) (knownAt int64, err error) {
	err = q.within(ctx, b, func(tx pgx.Tx, _, at int64) error {
		knownAt = at
		rows, err := tx.Query(ctx, sql, b.Tenant, at, b.AsOf)
		if err != nil {
			return err
		}
		return forEach(rows, scanItem, each)
	})
	return knownAt, err
}

func scanItem(row pgx.CollectableRow) (item Item, err error) {
	var minor int64
	var currency string
	if err = row.Scan(&item.ID, &item.UserID, &item.FeeType, &currency, &minor, &item.Since); err != nil {
		return item, err
	}
	item.Since = item.Since.UTC()
	cur, err := money.ParseCurrency(currency)
	item.Amount = money.New(minor, cur)
	return item, err
}
