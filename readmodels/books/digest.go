package books

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

const (
	sqlAllEntries = `SELECT tenant, position, effective_at, debit, credit, fee_type, amount, currency, user_id, fee_id, payment_id, credit_id
FROM books_v1.journal`
	sqlAllOrigins   = `SELECT tenant, key, user_id, word FROM books_v1.origins`
	sqlAllProfiles  = `SELECT tenant, position, profile FROM books_v1.profiles`
	sqlAllTurnovers = `SELECT tenant, day, currency, debit, credit, fee_type, amount::text, postings FROM books_v1.turnovers`
)

// Digest sums up all rows and reads the checkpoint in one snapshot. checkpoints.ErrNotBuilt: there are no books yet.
func Digest(ctx context.Context, pool *pgxpool.Pool) (digest.Stored, error) {
	var stored digest.Stored
	err := pgx.BeginTxFunc(ctx, pool, snapshot, func(tx pgx.Tx) (err error) {
		if stored.Position, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		if err := addAll(ctx, tx, &stored.Sum, sqlAllEntries, scanEntry, entryForm); err != nil {
			return err
		}
		if err := addAll(ctx, tx, &stored.Sum, sqlAllOrigins, scanOrigin, originForm); err != nil {
			return err
		}
		if err := addAll(ctx, tx, &stored.Sum, sqlAllProfiles, scanProfile, profileForm); err != nil {
			return err
		}
		return addAll(ctx, tx, &stored.Sum, sqlAllTurnovers, scanTurnover, func(form digest.Row, row turnoverRow) digest.Row {
			return turnoverForm(form, row.turnoverKey, &row.turnover)
		})
	})
	if err != nil {
		return digest.Stored{}, fmt.Errorf("digest of the books: %w", checkpoints.NotBuilt(err))
	}
	return stored, nil
}

// snapshot is a transaction that sees one moment.
var snapshot = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// addAll adds every row of a table to a sum, without holding them all.
func addAll[R any](
	ctx context.Context, tx pgx.Tx, sum *digest.Sum, sql string, scan func(pgx.CollectableRow) (R, error), form func(digest.Row, R) digest.Row,
) error {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	var bytes digest.Row
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return err
		}
		bytes = form(bytes[:0], row)
		sum.Add(bytes)
	}
	return rows.Err()
}

// The canonical forms of rows, that digests are made of.

func entryForm(form digest.Row, e Entry) digest.Row {
	return form.Text("journal").Text(e.Tenant).Int(e.Position).Time(e.EffectiveAt).Int(int64(e.Debit)).Int(int64(e.Credit)).Text(string(e.FeeType)).
		Int(e.Amount.Minor()).Text(e.Amount.Currency().Code()).Text(e.UserID).Text(e.FeeID).Text(e.PaymentID).Text(e.CreditID)
}

func originForm(form digest.Row, o Origin) digest.Row {
	return form.Text("origins").Text(o.Tenant).Text(o.Key).Text(o.UserID).Text(o.Word)
}

func profileForm(form digest.Row, p ProfileSet) digest.Row {
	return form.Text("profiles").Text(p.Tenant).Int(p.Position).Text(string(p.Profile))
}

func turnoverForm(form digest.Row, key turnoverKey, t *turnover) digest.Row {
	return form.Text("turnovers").Text(key.tenant).Time(key.day).Text(key.currency.Code()).Int(int64(key.debit)).Int(int64(key.credit)).
		Text(string(key.feeType)).Text(t.minor.String()).Int(t.postings)
}

func scanEntry(row pgx.CollectableRow) (e Entry, err error) {
	var minor int64
	var currency string
	err = row.Scan(&e.Tenant, &e.Position, &e.EffectiveAt, &e.Debit, &e.Credit, &e.FeeType, &minor, &currency, &e.UserID, &e.FeeID, &e.PaymentID, &e.CreditID)
	if err != nil {
		return e, err
	}
	e.EffectiveAt = e.EffectiveAt.UTC()
	cur, err := money.ParseCurrency(currency)
	e.Amount = money.New(minor, cur)
	return e, err
}

func scanProfile(row pgx.CollectableRow) (p ProfileSet, err error) {
	var profile string
	err = row.Scan(&p.Tenant, &p.Position, &profile)
	p.Profile = policy.Profile(profile)
	return p, err
}

// turnoverRow is a row of turnovers.
type turnoverRow struct {
	turnoverKey
	turnover
}

func scanTurnover(row pgx.CollectableRow) (t turnoverRow, err error) {
	var day time.Time
	var currency, amount string
	if err = row.Scan(&t.tenant, &day, &currency, &t.debit, &t.credit, &t.feeType, &amount, &t.postings); err != nil {
		return t, err
	}
	minor, ok := new(big.Int).SetString(amount, 10)
	if !ok {
		return t, fmt.Errorf("%w: a turnover of %q", ErrOutOfBalance, amount)
	}
	t.day, t.minor = day.UTC(), minor
	t.currency, err = money.ParseCurrency(currency)
	return t, err
}
