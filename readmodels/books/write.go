package books

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/books"
)

// Rows are what events add to the books, each key once.
type Rows struct {
	Entries  []Entry
	Origins  []Origin
	Profiles []ProfileSet
}

const sqlAddTurnovers = `
INSERT INTO books_v1.turnovers AS t (tenant, day, currency, debit, credit, fee_type, amount, postings)
SELECT u.* FROM unnest($1::text[], $2::date[], $3::text[], $4::smallint[], $5::smallint[], $6::text[], $7::numeric[], $8::bigint[]) AS u
ON CONFLICT (tenant, day, currency, debit, credit, fee_type)
DO UPDATE SET amount = t.amount + excluded.amount, postings = t.postings + excluded.postings`

// Write stores rows. A unique violation: they are there already, and table and log are out of step.
func Write(ctx context.Context, tx pgx.Tx, rows Rows) error {
	if err := insert(ctx, tx, "journal", journalColumns, rows.Entries, entryValues); err != nil {
		return err
	}
	if err := insert(ctx, tx, "origins", originColumns, rows.Origins, originValues); err != nil {
		return err
	}
	if err := insert(ctx, tx, "profiles", profileColumns, rows.Profiles, profileValues); err != nil {
		return err
	}
	return addTurnovers(ctx, tx, rows.Entries)
}

// The columns of each table, in the order in which they are written and read.
var (
	journalColumns = []string{
		"tenant", "position", "effective_at", "debit", "credit", "fee_type", "amount", "currency", "user_id", "fee_id", "payment_id", "credit_id",
	}
	originColumns  = []string{"tenant", "key", "user_id", "word"}
	profileColumns = []string{"tenant", "position", "profile"}
)

func entryValues(e *Entry) []any {
	return []any{
		e.Tenant, e.Position, e.EffectiveAt, int16(e.Debit), int16(e.Credit), string(e.FeeType), e.Amount.Minor(), e.Amount.Currency().Code(),
		e.UserID, e.FeeID, e.PaymentID, e.CreditID,
	}
}

func originValues(o *Origin) []any { return []any{o.Tenant, o.Key, o.UserID, o.Word} }

func profileValues(p *ProfileSet) []any { return []any{p.Tenant, p.Position, string(p.Profile)} }

func insert[R any](ctx context.Context, tx pgx.Tx, table string, columns []string, rows []R, values func(*R) []any) error {
	if len(rows) == 0 {
		return nil
	}
	source := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return values(&rows[i]), nil })
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"books_v1", table}, columns, source); err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

func addTurnovers(ctx context.Context, tx pgx.Tx, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	sums := make(map[turnoverKey]*turnover)
	for i := range entries {
		key := entries[i].turnoverKey()
		sum := sums[key]
		if sum == nil {
			sum = &turnover{minor: new(big.Int)}
			sums[key] = sum
		}
		sum.add(entries[i].Amount.Minor())
	}
	var tenants, currencies, feeTypes, amounts []string
	var days []time.Time
	var debits, credits []int16
	var postings []int64
	for key, sum := range sums {
		tenants, days, currencies = append(tenants, key.tenant), append(days, key.day), append(currencies, key.currency.Code())
		debits, credits, feeTypes = append(debits, int16(key.debit)), append(credits, int16(key.credit)), append(feeTypes, string(key.feeType))
		amounts, postings = append(amounts, sum.minor.String()), append(postings, sum.postings)
	}
	if _, err := tx.Exec(ctx, sqlAddTurnovers, tenants, days, currencies, debits, credits, feeTypes, amounts, postings); err != nil {
		return fmt.Errorf("add to turnovers: %w", err)
	}
	return nil
}

const sqlLoadOrigins = `
SELECT o.tenant, o.key, o.user_id, o.word FROM books_v1.origins o
JOIN unnest($1::text[], $2::text[]) AS k (tenant, key) ON o.tenant = k.tenant AND o.key = k.key`

// LoadOrigins returns those of the origins that there are; only tenant and key of the given ones are looked at.
func LoadOrigins(ctx context.Context, tx pgx.Tx, wanted []Origin) ([]Origin, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	tenants, keys := make([]string, len(wanted)), make([]string, len(wanted))
	for i, o := range wanted {
		tenants[i], keys[i] = o.Tenant, o.Key
	}
	rows, err := tx.Query(ctx, sqlLoadOrigins, tenants, keys)
	if err != nil {
		return nil, fmt.Errorf("load origins: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanOrigin)
	if err != nil {
		return nil, fmt.Errorf("load origins: %w", err)
	}
	return found, nil
}

func scanOrigin(row pgx.CollectableRow) (o Origin, err error) {
	err = row.Scan(&o.Tenant, &o.Key, &o.UserID, &o.Word)
	return o, err
}

const sqlPostedFrom = `
SELECT tenant, position, effective_at, debit, credit, fee_type, amount, currency, user_id, fee_id, payment_id, credit_id
FROM books_v1.journal WHERE tenant = $1 AND position >= $2 AND position < $3 AND (debit = $4 OR credit = $4) ORDER BY position`

// loadUnallotted returns what was posted over Unallotted between two positions, the first included.
func loadUnallotted(ctx context.Context, tx pgx.Tx, tenant string, from, to int64) ([]Entry, error) {
	rows, err := tx.Query(ctx, sqlPostedFrom, tenant, from, to, int16(books.Unallotted))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanEntry)
}
