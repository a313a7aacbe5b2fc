package pgsearch_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/readmodels"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
	"payledger/readmodels/search/pgsearch"
	"payledger/readmodels/search/searchtest"
)

// open makes a database with the tables of the documents, and returns a pool of the role that writes them.
func open(t testing.TB) (*pgtest.DB, *pgxpool.Pool) {
	t.Helper()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	return db, pool
}

const sqlPut = `
INSERT INTO documents_v2.documents (tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, words, deleted,
    position, epoch, body, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector, $12, $13, $14, $15, 'null')
ON CONFLICT (tenant, object, id) DO UPDATE SET owner = excluded.owner, status = excluded.status, reason = excluded.reason, amount = excluded.amount,
    currency = excluded.currency, created_at = excluded.created_at, updated_at = excluded.updated_at, words = excluded.words,
    deleted = excluded.deleted, position = excluded.position, body = excluded.body`

const sqlMove = `
INSERT INTO ledger.checkpoints AS c (projection, version, position) VALUES ('documents', $2, $1)
ON CONFLICT (projection, version) DO UPDATE SET position = greatest(c.position, excluded.position)`

// put stores documents and checkpoint in one transaction, as the projection does.
func put(t testing.TB, pool *pgxpool.Pool, docs []search.Document) {
	t.Helper()
	var batch pgx.Batch
	for i := range docs {
		d := &docs[i]
		batch.Queue(sqlPut, d.Tenant, d.Object, d.ID, d.Owner, d.Status, d.Reason, d.Amount, d.Currency, d.CreatedAt, d.UpdatedAt,
			documents.Lexemes(d.Words), d.Deleted, d.Position, d.Epoch, []byte(d.Body))
		batch.Queue(sqlMove, d.Position, documents.ProjectionVersion)
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return tx.SendBatch(t.Context(), &batch).Close() }))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	db, pool := open(t)
	searchtest.Run(t, searchtest.Subject{
		Searcher: pgsearch.New(db.AppPool(t)),
		Put:      func(t testing.TB, docs []search.Document) { t.Helper(); put(t, pool, docs) },
	})
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.AppPool(t)
	q := search.Query{Tenant: "main", Object: readmodels.ObjectFee}
	_, err := pgsearch.New(pool).Search(t.Context(), q)
	require.ErrorIs(t, err, search.ErrUnavailable, "before the documents are built")
	pool.Close()
	_, err = pgsearch.New(pool).Search(t.Context(), q)
	require.ErrorIs(t, err, search.ErrUnavailable)
	q.Text = "?!"
	_, err = pgsearch.New(pool).Search(t.Context(), q)
	require.ErrorIs(t, err, search.ErrUnavailable)
}
