// Package pgsearch answers searches from the documents in Postgres: the embedded default.
package pgsearch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
	"payledger/readmodels/totals"
)

// Searcher searches documents_v2.documents. Safe for concurrent use.
type Searcher struct {
	pool   *pgxpool.Pool
	totals *totals.Memory
}

// New returns a searcher over pool, whose role may read the documents.
func New(pool *pgxpool.Pool) *Searcher { return &Searcher{pool: pool, totals: totals.NewMemory()} }

// Projection names the projection whose checkpoint bounds what can be found.
func (*Searcher) Projection() checkpoints.Projection { return documents.Projection() }

// An empty argument filters nothing. The statements are planned for the values of their arguments, see query: what is empty
// costs nothing, and what is given finds its index.
const sqlWhere = `
    WHERE tenant = $1 AND object = $2 AND NOT deleted AND ($3 = '' OR owner = $3) AND ($4::bigint IS NULL OR amount = $4)`

// sqlFound finds by the index of words, and by that of owners where one is given. The index of all that a tenant has must not help:
// Postgres would rather read all of it than a few documents more.
const sqlFound = `
    WHERE NOT deleted AND ($3 <> '' AND tenant = $1 AND object = $2 AND owner = $3 OR $3 = '' AND tenant || '' = $1 AND object || '' = $2)
        AND ($4::bigint IS NULL OR amount = $4) AND words @@ $5::tsquery`

const sqlOrder = `
    ORDER BY {column} {direction}, id {direction} LIMIT $8 OFFSET $9`

const sqlBehindCursor = `
        AND ($6::{type} IS NULL OR ({column}, id) {beyond} ($6::{type}, $7))`

// Documents, total and checkpoint are of one snapshot: what stands at the checkpoint can be found.
const sqlServed = `
WITH served AS (
    SELECT coalesce(max(position), 0) AS checkpoint FROM ledger.checkpoints WHERE projection = $11 AND version = $12
)`

const sqlPage = `
)
SELECT served.checkpoint, {total}, page.{column}, page.id, page.body
FROM served CROSS JOIN total LEFT JOIN page ON true
ORDER BY page.{column} {direction}, page.id {direction}`

// What a total is: counted as far as needed, or all of it.
const (
	sqlCounted       = `total.n`
	sqlBrowseCounted = `(SELECT count(*) FROM documents_v2.documents` + sqlWhere + ` AND $5 = '')`
	sqlSearchCounted = `(SELECT count(*) FROM documents_v2.documents` + sqlFound + `)`
)

// sqlBrowse is the statement of a query without words and filters: whatever comes next in the order is found. $5 is empty; what is known
// to be a long list, at checkpoints $13 to $14, isn't counted.
const sqlBrowse = sqlServed + `, total AS (
    SELECT CASE WHEN checkpoint BETWEEN $13 AND $14 THEN {long} ELSE (
        SELECT count(*) FROM (SELECT FROM documents_v2.documents` + sqlWhere + ` AND $5 = '' LIMIT $10) AS counted) END AS n
    FROM served
), page AS (
    SELECT {column}, id, body FROM documents_v2.documents` + sqlWhere + sqlBehindCursor + sqlOrder + sqlPage

// sqlSearch is the statement of a query with words and filters, $5. The index of words is quick where they are rare, and where
// they are common reading in order is; Postgres can't guess which, so the statement finds out. If a good part of the newest
// documents has the words, and as many as are counted stand among three times as many, they are common. If not, the index
// counts them (all at once, whatever the limit). Few are fetched by the index and sorted (OFFSET 0 keeps the planner from looking
// beyond); many are met soon on the way through the order (CASE keeps it from using the index of words, and makes it expect that
// half of the documents match).
const sqlSearch = sqlServed + `, sample AS (
    SELECT count(*) FILTER (WHERE words @@ $5::tsquery) * 3 > count(*) AS common
    FROM (SELECT words FROM documents_v2.documents` + sqlWhere + ` ORDER BY created_at DESC, id DESC LIMIT 100) AS newest
), walked AS (
    SELECT count(*) AS n FROM (
        SELECT FROM (SELECT words FROM documents_v2.documents` + sqlWhere + ` LIMIT 3 * $10) AS any_of_them
        WHERE (SELECT common FROM sample) AND CASE WHEN words @@ $5::tsquery THEN true END LIMIT $10) AS counted
), total AS (
    SELECT CASE WHEN n = $10 THEN n ELSE (
        SELECT count(*) FROM (SELECT FROM documents_v2.documents` + sqlFound + ` LIMIT $10) AS counted) END AS n
    FROM walked
), page AS (
    (SELECT {column}, id, body FROM (
        SELECT {column}, id, body FROM documents_v2.documents` + sqlFound + sqlBehindCursor + ` OFFSET 0) AS few
    WHERE (SELECT n FROM total) < $10` + sqlOrder + `)
    UNION ALL
    (SELECT {column}, id, body FROM documents_v2.documents` + sqlWhere + sqlBehindCursor + `
        AND CASE WHEN words @@ $5::tsquery THEN true END AND (SELECT n FROM total) = $10` + sqlOrder + `)` + sqlPage

// statement is that of a query.
type statement struct {
	sql  string // its parts are constants
	args []any
	list string // names what is browsed in the memory of totals
}

// statementOf returns the statement of a query. Browsing counts up to totals.CountTo, but not what is known to be long.
func statementOf(q search.Query, p search.Plan, memory *totals.Memory) statement {
	args, served := arguments(q, p), documents.Projection()
	var after any
	afterID := ""
	if p.After != nil {
		after, afterID = p.After.Key, p.After.ID
		if q.Sort.Key != search.ByAmount {
			after = time.UnixMilli(p.After.Key)
		}
	}
	rest := func(countTo int) []any {
		return append(args, after, afterID, p.Limit, p.Offset, countTo, served.Name, served.Version)
	}
	if len(p.Words)+len(p.Terms) > 0 {
		return statement{sql: complete(sqlSearch, q, sqlSearchCounted), args: rest(search.MaxTotal + 1)}
	}
	list := totals.Key("documents", args)
	long := memory.Span(list)
	return statement{sql: complete(sqlBrowse, q, sqlBrowseCounted), args: append(rest(totals.CountTo), long.First, long.Last), list: list}
}

// complete completes a statement for the order and the total of a query.
func complete(sql string, q search.Query, counted string) string {
	s, total := q.Sort, sqlCounted
	if q.CountExact {
		total = counted
	}
	column, of := "created_at", "timestamptz"
	switch s.Key {
	case search.ByCreatedAt:
	case search.ByUpdatedAt:
		column = "updated_at"
	case search.ByAmount:
		column, of = "amount", "bigint"
	}
	direction, beyond := "DESC", "<"
	if s.Ascending {
		direction, beyond = "ASC", ">"
	}
	return strings.NewReplacer("{column}", column, "{type}", of, "{direction}", direction, "{beyond}", beyond, "{total}", total, "{long}", strconv.Itoa(search.MaxTotal+1)).Replace(sql)
}

// arguments returns those of sqlWhere, and the words.
func arguments(q search.Query, p search.Plan) []any {
	var amount *int64
	if q.Amount != nil {
		minor := q.Amount.Minor()
		amount = &minor
	}
	return []any{q.Tenant, string(q.Object), q.Owner, amount, tsquery(p)}
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// query runs a statement without preparing it, so that Postgres never falls back on a plan that fits all filters and none.
func query(ctx context.Context, db querier, sql string, args, into []any, row func() error) error {
	rows, err := db.Query(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, row)
	return err
}

// Search implements search.Searcher.
func (s *Searcher) Search(ctx context.Context, q search.Query) (search.Result, error) {
	plan, err := q.Plan()
	if err != nil {
		return search.Result{}, err
	}
	if plan.Nothing {
		checkpoint, err := checkpoints.Read(ctx, s.pool, documents.Projection())
		return search.Result{Checkpoint: checkpoint, Facets: q.NoFacets()}, failed(err)
	}
	if !q.Facets {
		result, err := s.page(ctx, s.pool, q, plan)
		return result, failed(err)
	}
	var result search.Result
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		if result, err = s.page(ctx, tx, q, plan); err == nil {
			result.Facets, err = facets(ctx, tx, q, plan)
		}
		return err
	})
	return result, failed(err)
}

// page reads the documents of a query, and what belongs to them.
func (s *Searcher) page(ctx context.Context, db querier, q search.Query, plan search.Plan) (search.Result, error) {
	var (
		result search.Result
		last   search.Place
		at     *time.Time // this and what follows are null in the one row of an empty page
		amount *int64
		id     *string
		body   []byte
	)
	into := []any{&result.Checkpoint, &result.Total, &at, &id, &body}
	if q.Sort.Key == search.ByAmount {
		into[2] = &amount
	}
	st := statementOf(q, plan, s.totals)
	if err := query(ctx, db, st.sql, st.args, into, func() error {
		if id == nil {
			return nil
		}
		last.ID = *id
		if amount != nil {
			last.Key = *amount
		} else {
			last.Key = at.UnixMilli()
		}
		result.Documents = append(result.Documents, body)
		return nil
	}); err != nil {
		return search.Result{}, err
	}
	if st.list != "" && !q.CountExact {
		s.totals.Note(st.list, result.Checkpoint, result.Total)
	}
	if result.Total > search.MaxTotal && !q.CountExact {
		result.Total, result.AtLeast = search.MaxTotal, true
	}
	result.Next = q.Next(plan, len(result.Documents), last)
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

// tsquery makes the text form of a tsquery: every word as a prefix, every filter as it is.
func tsquery(p search.Plan) string {
	parts := make([]string, 0, len(p.Words)+len(p.Terms))
	for _, word := range p.Words {
		parts = append(parts, documents.Lexeme(word)+":*")
	}
	for _, term := range p.Terms {
		parts = append(parts, documents.Lexeme(term))
	}
	return strings.Join(parts, " & ")
}
