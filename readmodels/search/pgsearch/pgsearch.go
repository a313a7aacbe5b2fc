// Package pgsearch answers searches from the documents in Postgres: the embedded default.
package pgsearch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// Searcher searches documents_v1.documents. Safe for concurrent use.
type Searcher struct {
	pool *pgxpool.Pool
}

// New returns a searcher over pool, whose role may read the documents.
func New(pool *pgxpool.Pool) *Searcher { return &Searcher{pool: pool} }

// Projection names the projection whose checkpoint bounds what can be found.
func (*Searcher) Projection() checkpoints.Projection { return documents.Projection() }

// An empty argument filters nothing. The statement is planned for the values of its arguments, see Search: what is empty
// costs nothing, and what is given finds its index.
const sqlWhere = `
    WHERE tenant = $1 AND object = $2 AND NOT deleted
        AND ($3 = '' OR owner = $3) AND ($4 = '' OR user_id = $4) AND ($5 = '' OR loan_id = $5) AND ($6 = '' OR status = $6)
        AND ($7 = '' OR reason = $7) AND ($8 = '' OR currency = $8) AND ($9 = '' OR words @@ $9::tsquery)`

const sqlOrder = `
    ORDER BY created_at DESC, id DESC LIMIT $12 OFFSET $13`

const sqlBehindCursor = `
        AND ($10::timestamptz IS NULL OR (created_at, id) < ($10::timestamptz, $11))`

// Documents, total and checkpoint are of one snapshot: what stands at the checkpoint can be found. Postgres can't guess how
// rare a prefix is, and would read all documents for a few by walking from the newest. So the count decides: few matches are
// fetched by their words and sorted (OFFSET 0 keeps the planner from looking beyond), many are met on the walk soon.
const sqlSearch = `
WITH total AS (
    SELECT count(*) AS n FROM (SELECT FROM documents_v1.documents` + sqlWhere + ` LIMIT $14) AS counted
), page AS (
    (SELECT created_at, id, body FROM (SELECT created_at, id, body FROM documents_v1.documents` + sqlWhere + sqlBehindCursor + ` OFFSET 0) AS few
    WHERE $9 <> '' AND (SELECT n FROM total) < $14` + sqlOrder + `)
    UNION ALL
    (SELECT created_at, id, body FROM documents_v1.documents` + sqlWhere + sqlBehindCursor + `
        AND ($9 = '' OR (SELECT n FROM total) = $14)` + sqlOrder + `)
), served AS (
    SELECT coalesce(max(position), 0) AS checkpoint FROM ledger.checkpoints WHERE projection = $15 AND version = $16
)
SELECT served.checkpoint, total.n, page.created_at, page.id, page.body
FROM served CROSS JOIN total LEFT JOIN page ON true
ORDER BY page.created_at DESC, page.id DESC`

// arguments returns those of sqlSearch.
func arguments(q search.Query, p search.Plan) []any {
	var after *time.Time
	afterID := ""
	if p.After != nil {
		after, afterID = &p.After.CreatedAt, p.After.ID
	}
	served := documents.Projection()
	return []any{
		q.Tenant, string(q.Object), q.Owner, q.UserID, q.LoanID, q.Status, q.Reason, q.Currency, prefixes(p.Words),
		after, afterID, p.Limit, p.Offset, search.MaxTotal + 1, served.Name, served.Version,
	}
}

// Search implements search.Searcher.
func (s *Searcher) Search(ctx context.Context, q search.Query) (search.Result, error) {
	plan, err := q.Plan()
	if err != nil {
		return search.Result{}, err
	}
	if plan.Nothing {
		checkpoint, err := checkpoints.Read(ctx, s.pool, documents.Projection())
		return search.Result{Checkpoint: checkpoint}, failed(err)
	}
	// QueryExecModeExec: not prepared, so Postgres never falls back on a plan that fits all filters and none.
	rows, err := s.pool.Query(ctx, sqlSearch, append([]any{pgx.QueryExecModeExec}, arguments(q, plan)...)...)
	if err != nil {
		return search.Result{}, failed(err)
	}
	var (
		result    search.Result
		last      search.Place
		createdAt *time.Time // this and what follows are null in the one row of an empty page
		id        *string
		body      []byte
	)
	if _, err := pgx.ForEachRow(rows, []any{&result.Checkpoint, &result.Total, &createdAt, &id, &body}, func() error {
		if id != nil {
			last = search.Place{CreatedAt: *createdAt, ID: *id}
			result.Documents = append(result.Documents, body)
		}
		return nil
	}); err != nil {
		return search.Result{}, failed(err)
	}
	if result.Total > search.MaxTotal {
		result.Total, result.AtLeast = search.MaxTotal, true
	}
	result.Next = plan.Next(len(result.Documents), last)
	return result, nil
}

// failed tells what may pass, a lost connection or documents that aren't built yet, from a fault of ours.
func failed(err error) error {
	if err == nil {
		return nil
	}
	var pgErr *pgconn.PgError
	err = checkpoints.NotBuilt(err)
	if errors.As(err, &pgErr) && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "42")) {
		return fmt.Errorf("search the documents: %w", err)
	}
	return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
}

// prefixes makes the text form of a tsquery: every word as a prefix. Words hold letters and numbers only, so quoting is safe.
func prefixes(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = "'" + word + "':*"
	}
	return strings.Join(quoted, " & ")
}
