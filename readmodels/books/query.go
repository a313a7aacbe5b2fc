package books

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/books"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/readmodels/checkpoints"
)

// ErrAhead reports a question about a position that the books haven't come to yet.
var ErrAhead = errors.New("the books haven't come to this position yet")

// Queries answer from the books of one database. Safe for concurrent use. All of them return checkpoints.ErrNotBuilt when there are no
// books yet, and ErrAhead.
type Queries struct{ Pool *pgxpool.Pool }

// Bounds say of what the books are asked.
type Bounds struct {
	Tenant string
	// AsOf leaves out what took effect later; nil for nothing.
	AsOf *time.Time
	// KnownAt leaves out what was recorded behind this position; nil for nothing.
	KnownAt *int64
}

// State is the books of a tenant within bounds: asked again with the same AsOf and KnownAt, it is the same for ever.
type State struct {
	Tenant  string
	AsOf    *time.Time
	KnownAt int64    // the books' own position, if none was given
	Hash    [32]byte // of the event at KnownAt, zeros if there is none: it stands for the whole log up to there
	// Profile is the tenant's choice at KnownAt.
	Profile policy.Profile
	// Movements are all postings, those between the same accounts in one. What moved in a period is the difference of two states.
	Movements []Movement
}

// Movement is a sum of postings; ids are empty, and the amount may be beyond money.MaxMinor.
type Movement struct {
	books.Posting
	Postings int64
}

const sqlTenants = `SELECT DISTINCT tenant FROM books_v1.turnovers ORDER BY tenant`

// Tenants returns all tenants that have postings.
func (q Queries) Tenants(ctx context.Context) ([]string, error) {
	rows, err := q.Pool.Query(ctx, sqlTenants)
	if err != nil {
		return nil, fmt.Errorf("read the tenants of the books: %w", checkpoints.NotBuilt(err))
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return tenants, checkpoints.NotBuilt(err)
}

const (
	// Whole days come from the turnovers, the day of the instant ($3, nil for none) from the journal; what wasn't known yet ($4) goes off again.
	sqlMovements = `
SELECT tenant, NULL::date, currency, debit, credit, fee_type, sum(amount)::text, sum(postings)::bigint FROM (
    SELECT tenant, currency, debit, credit, fee_type, amount, postings FROM books_v1.turnovers WHERE tenant = $1 AND ($2::date IS NULL OR day < $2)
    UNION ALL
    SELECT tenant, currency, debit, credit, fee_type, amount, 1 FROM books_v1.journal
    WHERE tenant = $1 AND effective_at >= ($2::timestamp AT TIME ZONE 'UTC') AND effective_at <= $3
    UNION ALL
    SELECT tenant, currency, debit, credit, fee_type, -amount, -1 FROM books_v1.journal
    WHERE tenant = $1 AND position > $4 AND ($3::timestamptz IS NULL OR effective_at <= $3)
) AS p GROUP BY tenant, currency, debit, credit, fee_type HAVING sum(postings) <> 0 ORDER BY currency, debit, credit, fee_type`

	// The same from the journal alone: what was known long ago is less than what became known since.
	sqlEarlyMovements = `
SELECT tenant, NULL::date, currency, debit, credit, fee_type, sum(amount)::text, count(*) FROM books_v1.journal
WHERE tenant = $1 AND position <= $2 AND ($3::timestamptz IS NULL OR effective_at <= $3)
GROUP BY tenant, currency, debit, credit, fee_type ORDER BY currency, debit, credit, fee_type`

	sqlProfileAt = `SELECT profile FROM books_v1.profiles WHERE tenant = $1 AND position <= $2 ORDER BY position DESC LIMIT 1`
	sqlHashAt    = `SELECT hash FROM ledger.events WHERE position = $1`
)

// State returns the books within bounds.
func (q Queries) State(ctx context.Context, b Bounds) (State, error) {
	s := State{Tenant: b.Tenant, AsOf: b.AsOf, Profile: policy.Profiles()[0]}
	err := q.within(ctx, b, func(tx pgx.Tx, checkpoint, knownAt int64) error {
		s.KnownAt = knownAt
		if err := s.readMovements(ctx, tx, checkpoint); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, sqlProfileAt, b.Tenant, knownAt).Scan(&s.Profile); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var hash []byte
		if err := tx.QueryRow(ctx, sqlHashAt, knownAt).Scan(&hash); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		copy(s.Hash[:], hash)
		return nil
	})
	return s, err
}

// within calls ask in one snapshot, with the books' checkpoint and the position that is asked of.
func (q Queries) within(ctx context.Context, b Bounds, ask func(tx pgx.Tx, checkpoint, knownAt int64) error) error {
	err := pgx.BeginTxFunc(ctx, q.Pool, snapshot, func(tx pgx.Tx) error {
		checkpoint, err := checkpoints.Read(ctx, tx, Projection())
		if err != nil {
			return err
		}
		knownAt := checkpoint
		if b.KnownAt != nil {
			if knownAt = *b.KnownAt; knownAt > checkpoint {
				return fmt.Errorf("%w: they stand at %d", ErrAhead, checkpoint)
			}
		}
		return ask(tx, checkpoint, knownAt)
	})
	if err != nil {
		return fmt.Errorf("read the books of %s: %w", b.Tenant, checkpoints.NotBuilt(err))
	}
	return nil
}

func (s *State) readMovements(ctx context.Context, tx pgx.Tx, checkpoint int64) error {
	var rows pgx.Rows
	var err error
	if s.KnownAt < checkpoint/2 {
		rows, err = tx.Query(ctx, sqlEarlyMovements, s.Tenant, s.KnownAt, s.AsOf)
	} else {
		var day *time.Time
		if s.AsOf != nil {
			at := s.AsOf.UTC().Truncate(24 * time.Hour)
			day = &at
		}
		rows, err = tx.Query(ctx, sqlMovements, s.Tenant, day, s.AsOf, s.KnownAt)
	}
	if err != nil {
		return err
	}
	s.Movements, err = pgx.CollectRows(rows, scanMovement)
	return err
}

func scanMovement(row pgx.CollectableRow) (m Movement, err error) {
	var t turnoverRow
	var day *time.Time
	var currency, amount string
	if err = row.Scan(&t.tenant, &day, &currency, &t.debit, &t.credit, &t.feeType, &amount, &t.postings); err != nil {
		return m, err
	}
	minor, ok := new(big.Int).SetString(amount, 10)
	if !ok || !minor.IsInt64() {
		return m, fmt.Errorf("%w: %s between %d and %d", money.ErrTotalTooLarge, amount, t.debit, t.credit)
	}
	cur, err := money.ParseCurrency(currency)
	m.Posting = books.Posting{Debit: t.debit, Credit: t.credit, FeeType: t.feeType, Amount: money.New(minor.Int64(), cur)}
	m.Postings = t.postings
	return m, err
}
