package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Erasure is that of a person, as the log has it.
type Erasure struct {
	Position int64 // of the event that says so; 0 when the person never was erased
	Keys     int64 // that were ever destroyed for this person
	Living   bool  // whether there is a key again: the person has returned, or the vault was restored
}

const sqlErasure = `
SELECT coalesce(max(e.position), 0), coalesce(sum(e.keys), 0),
       EXISTS (SELECT FROM vault.keys k WHERE k.tenant = $1 AND k.subject = $2 AND k.destroyed_at IS NULL)
FROM ledger.erasures e WHERE e.tenant = $1 AND e.subject = $2`

// ReadErasure returns the last erasure of a person.
func ReadErasure(ctx context.Context, pool *pgxpool.Pool, who Person) (Erasure, error) {
	var e Erasure
	if err := pool.QueryRow(ctx, sqlErasure, who.Tenant, who.Subject).Scan(&e.Position, &e.Keys, &e.Living); err != nil {
		return Erasure{}, fmt.Errorf("read the erasure of a person of tenant %s: %w", who.Tenant, err)
	}
	return e, nil
}

const sqlEraseAnswers = `SELECT answers, routes FROM ledger.erase_answers($1, $2, $3)`

// ErasedAnswers counts the answers and route events that show rows of an erased person, and have no texts any more.
type ErasedAnswers struct{ Answers, RouteEvents int64 }

// EraseAnswers takes the texts of an erased person out of the answers and route events that were stored while the log ended at position
// upTo or before. The pool is of the app's role. It reads all that are kept, and may be repeated.
func EraseAnswers(ctx context.Context, pool *pgxpool.Pool, who Person, upTo int64) (ErasedAnswers, error) {
	var n ErasedAnswers
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, sqlEraseAnswers, who.Tenant, who.Subject, upTo).Scan(&n.Answers, &n.RouteEvents)
	})
	if err != nil {
		return ErasedAnswers{}, fmt.Errorf("erase answers of a person of tenant %s: %w", who.Tenant, err)
	}
	return n, nil
}

// LastErased returns the position of the last erasure of anybody, 0 for none. A read model that is behind it may show texts that the log
// no longer has.
func (r *Reader) LastErased(ctx context.Context) (int64, error) {
	var position int64
	err := r.pool.QueryRow(ctx, sqlErased).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the last erasure: %w", err)
	}
	return position, nil
}
