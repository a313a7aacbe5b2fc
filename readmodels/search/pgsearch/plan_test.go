package pgsearch

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/readmodels"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// 100,000 documents of 20,000 users in one tenant, as large as real ones; every document has words that all have, one that a
// thousand have and one of its own. The newest 300 share a word, and so do the oldest 20,000.
const sqlFill = `
INSERT INTO documents_v2.documents (tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, words, deleted,
    position, epoch, body, state)
SELECT 'main', 'fee', 'fee-' || n, 'user-' || n % 20000, status, (ARRAY['overdue', 'lost'])[n % 2 + 1], n % 5000, 'USD',
    timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-01-01' + n * 7919 % 100000 * interval '1 second',
    array_to_tsvector(ARRAY['usd', 'fee', 'own' || n, 'group' || n % 100, 'user' || n % 20000, status, '=status=' || status,
        CASE WHEN n > 99700 THEN 'amnesty' WHEN n <= 20000 THEN 'inherited' ELSE 'x' || n END, '=userId=user-' || n % 20000, '=loanId=loan-' || n, '=reason=' || (ARRAY['overdue', 'lost'])[n % 2 + 1], '=currency=USD']),
    n % 50 = 0, n, 1, ('"' || repeat('body', 120) || '"')::json, ('"' || repeat('state', 120) || '"')::json
FROM (SELECT n, CASE WHEN n % 1000 = 0 THEN 'paymentInProgress' WHEN n % 2 = 0 THEN 'unpaid' ELSE 'paid' END AS status
    FROM generate_series(1, 100000) AS n) AS numbered`

// node is what is read of a plan.
type node struct {
	Type       string  `json:"Node Type"`
	Index      string  `json:"Index Name"`
	SharedHit  int64   `json:"Shared Hit Blocks"`
	SharedRead int64   `json:"Shared Read Blocks"`
	Plans      []*node `json:"Plans"`
}

func (n *node) indices() []string {
	var all []string
	if n.Index != "" {
		all = append(all, n.Index)
	}
	for _, part := range n.Plans {
		all = append(all, part.indices()...)
	}
	return all
}

// explain runs the statement of a query as Search does, and returns its plan.
func explain(t *testing.T, pool *pgxpool.Pool, q search.Query) (*node, time.Duration) {
	t.Helper()
	q.Tenant, q.Object = "main", readmodels.ObjectFee
	if q.PageRowCount == 0 {
		q.PageRowCount = 25
	}
	plan, err := q.Plan()
	require.NoError(t, err)
	st := statementOf(q, plan, nil)
	return explainSQL(t, pool, st.sql, st.args)
}

func explainSQL(t *testing.T, pool *pgxpool.Pool, sql string, args []any) (*node, time.Duration) {
	t.Helper()
	var raw []byte
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SET LOCAL jit = off`); err != nil { // as connections of the API have it
			return err
		}
		return tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"+sql, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&raw)
	}))
	var answer []struct {
		Plan *node       `json:"Plan"`
		Time json.Number `json:"Execution Time"`
	}
	require.NoError(t, json.Unmarshal(raw, &answer))
	took, err := time.ParseDuration(answer[0].Time.String() + "ms")
	require.NoError(t, err)
	return answer[0].Plan, took
}

func TestPlansUseTheIndices(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	projector := db.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), projector, func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	_, err := projector.Exec(t.Context(), sqlFill)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), projector, func(tx pgx.Tx) error { return documents.EnsureIndexes(t.Context(), tx) }))
	_, err = projector.Exec(t.Context(), `VACUUM ANALYZE documents_v2.documents`)
	require.NoError(t, err)
	pool := db.AppPool(t)
	at := time.Date(2026, 1, 1, 14, 0, 0, 0, time.UTC).UnixMilli()
	first := search.Query{}.Next(search.Plan{Limit: 1}, 1, search.Place{Key: at, ID: "x"})
	by := func(field, value string) []search.Filter { return []search.Filter{{Field: field, Value: value}} }
	amounts := search.Sort{Key: search.ByAmount, Ascending: true}
	thousands := search.Query{Sort: amounts}.Next(search.Plan{Limit: 1}, 1, search.Place{Key: 1000, ID: "x"})
	for name, of := range map[string]struct {
		query search.Query
		index string
		// blocks bounds how much is looked at, of 10,000 blocks or more: that doesn't depend on the machine.
		blocks int64
	}{
		"newest":             {search.Query{}, "documents_created_idx", 2000},
		"behind a cursor":    {search.Query{Cursor: first}, "documents_created_idx", 2000},
		"of an owner":        {search.Query{Owner: "user-77"}, "documents_owner_idx", 100},
		"of a user":          {search.Query{Filters: by("userId", "user-77")}, "documents_words_idx", 400},
		"of an owner, paid":  {search.Query{Owner: "user-77", Filters: by("status", "paid")}, "documents_owner_idx", 100},
		"of a loan":          {search.Query{Filters: by("loanId", "loan-77")}, "documents_words_idx", 400},
		"rare status":        {search.Query{Filters: by("status", "paymentInProgress")}, "documents_words_idx", 1000},
		"last changed":       {search.Query{Sort: search.Sort{Key: search.ByUpdatedAt}}, "documents_updated_idx", 2000},
		"smallest":           {search.Query{Sort: amounts}, "documents_amount_idx", 2000},
		"behind an amount":   {search.Query{Sort: amounts, Cursor: thousands}, "documents_amount_idx", 2000},
		"own word":           {search.Query{Text: "own77777"}, "documents_words_idx", 400},
		"two words":          {search.Query{Text: "usd own77777"}, "documents_words_idx", 1000},
		"word of a group":    {search.Query{Text: "group77"}, "documents_words_idx", 4000},
		"prefix":             {search.Query{Text: "own7777"}, "documents_words_idx", 400},
		"own word, of owner": {search.Query{Text: "own77777", Owner: "user-17777"}, "", 100},
		"nowhere":            {search.Query{Text: "nowhere"}, "documents_words_idx", 400},
		"words of all":       {search.Query{Text: "usd fee"}, "documents_created_idx", 5000},
		"of half":            {search.Query{Filters: by("reason", "lost")}, "documents_created_idx", 8000},
		"of the newest only": {search.Query{Text: "amnesty"}, "documents_words_idx", 8000},
		"of the oldest":      {search.Query{Text: "inherited", Sort: search.Sort{Ascending: true}}, "documents_words_idx", 6000},
	} {
		plan, took := explain(t, pool, of.query)
		indices := plan.indices()
		t.Logf("%-20s %8s %6d blocks %v", name, took, plan.SharedHit+plan.SharedRead, slices.Compact(indices))
		if of.index != "" {
			require.Contains(t, indices, of.index, name)
		}
		require.LessOrEqual(t, plan.SharedHit+plan.SharedRead, of.blocks, name)
	}
	facets, took := explainSQL(t, pool, sqlFacets, append(arguments(search.Query{Tenant: "main", Object: readmodels.ObjectFee}, search.Plan{}), search.MaxBuckets))
	t.Logf("%-20s %8s %6d blocks %v", "facets", took, facets.SharedHit+facets.SharedRead, facets.indices())
	require.Contains(t, facets.indices(), "documents_facets_idx")
	require.LessOrEqual(t, facets.SharedHit+facets.SharedRead, int64(1000))
}

// Every statement of the package is valid for the role that runs it.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	conn, err := db.AppPool(t).Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	all := []string{sqlFacets}
	for _, key := range []search.SortKey{search.ByCreatedAt, search.ByUpdatedAt, search.ByAmount} {
		for sql, counted := range map[string]string{sqlBrowse: sqlBrowseCounted, sqlSearch: sqlSearchCounted} {
			for _, exact := range []bool{false, true} {
				q := search.Query{Sort: search.Sort{Key: key}, CountExact: exact}
				all = append(all, complete(sql, q, counted))
				q.Sort.Ascending = true
				all = append(all, complete(sql, q, counted))
			}
		}
	}
	for i, sql := range all {
		_, err := conn.Conn().Prepare(t.Context(), fmt.Sprintf("s%d", i), sql)
		require.NoError(t, err, sql)
	}
}
