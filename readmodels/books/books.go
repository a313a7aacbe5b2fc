// Package books holds the books of the tenants: the journal that the events of the log post, what each pair of accounts turns over
// on each day, and the questions that auditors ask of them. The projection "books" alone writes here. What an event posts is
// decided in domain/books; docs/books.md has the chart and all postings.
//
// Every answer can be had as of an effective instant and as it was known at a position of the log, and stays the same for ever.
package books

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/books"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/readmodels/checkpoints"
)

// The projection that fills these tables; the version is part of the schema's name.
const (
	ProjectionName    = "books"
	ProjectionVersion = 1
)

// Projection names the checkpoint of the books.
func Projection() checkpoints.Projection {
	return checkpoints.Projection{Name: ProjectionName, Version: ProjectionVersion}
}

// Entry is a line of the journal: what the event at a position posts. Entry.Lines tells it in a profile.
type Entry struct {
	Tenant      string
	Position    int64
	EffectiveAt time.Time
	books.Posting
}

// Origin is what later events need of an earlier one, see books.Origin.
type Origin struct {
	Tenant, Key string
	books.Origin
}

// ProfileSet is a tenant's choice of a profile, from a position on.
type ProfileSet struct {
	Tenant   string
	Position int64
	Profile  policy.Profile
}

// turnoverKey names a row of turnovers.
type turnoverKey struct {
	tenant        string
	day           time.Time // midnight, UTC
	currency      money.Currency
	debit, credit books.Account
	feeType       books.FeeType
}

func (e *Entry) turnoverKey() turnoverKey {
	at := e.EffectiveAt.UTC()
	return turnoverKey{
		tenant: e.Tenant, day: time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC), currency: e.Amount.Currency(),
		debit: e.Debit, credit: e.Credit, feeType: e.FeeType,
	}
}

// turnover is what a pair of accounts turns over.
type turnover struct {
	minor    *big.Int
	postings int64
}

func (t *turnover) add(minor int64) {
	t.minor.Add(t.minor, big.NewInt(minor))
	t.postings++
}

// Names returns the names of all tables, with their schema.
func Names() []string {
	return []string{"books_v1.journal", "books_v1.turnovers", "books_v1.origins", "books_v1.profiles"}
}

const sqlSchemaExists = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

// EnsureSchema creates the tables if they are absent, and says whether it did; EnsureIndexes completes them. It runs as the projector,
// who owns them.
func EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists, "books_v1").Scan(&exists); err != nil || exists {
		return false, err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return false, fmt.Errorf("create schema books_v1: %w", err)
	}
	return true, nil
}

// EnsureIndexes creates the indexes that only readers need, if they are absent. It runs as the projector.
func EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlCreateIndexes); err != nil {
		return fmt.Errorf("create the indexes of books_v1: %w", err)
	}
	return nil
}
