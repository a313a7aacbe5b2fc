// Package documents holds one document for each row of every object, with what belongs to it as extends: the embedded default
// of search, and what Elasticsearch mirrors. The projection "documents" alone writes here.
package documents

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
)

// The projection that fills the table; the version is part of the schema's name.
const (
	ProjectionName    = "documents"
	ProjectionVersion = 2
)

// Projection names the checkpoint of the documents.
func Projection() checkpoints.Projection {
	return checkpoints.Projection{Name: ProjectionName, Version: ProjectionVersion}
}

// Words are made by our own code (search.Index) and stored as they are: Postgres analyses no text. Filters stand among them
// and need no index of their own; those on created_at, updated_at and amount are the orders, and facets have one with all that
// they count. As searches do, they leave tombstones out, so that the index alone answers what is only counted. The index on
// position is the feed of the mirror: what changed after a checkpoint, each document once. body is what is shown; it and state are
// what the next event is folded onto. stream is that of rows which have it in common with others, and whose ids don't tell it. The
// key is made last: while the table is empty all its indexes seem equally good, and the planner takes the newest.
const sqlCreateSchema = `
CREATE SCHEMA documents_v2;
GRANT USAGE ON SCHEMA documents_v2 TO payledger_app;

CREATE TABLE documents_v2.documents (
    tenant     text        COLLATE "C" NOT NULL,
    object     text        COLLATE "C" NOT NULL,
    id         text        COLLATE "C" NOT NULL,
    owner      text        COLLATE "C" NOT NULL,
    status     text        COLLATE "C" NOT NULL, -- counted by facets, as reason; empty for none
    reason     text        COLLATE "C" NOT NULL,
    amount     bigint      NOT NULL,             -- minor units; 0 for none
    currency   text        COLLATE "C" NOT NULL, -- empty for none
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    words      tsvector    NOT NULL,
    deleted    boolean     NOT NULL,             -- a tombstone: kept, never found
    position   bigint      NOT NULL,             -- of the newest event folded in
    epoch      bigint      NOT NULL,             -- of that event
    body       json        NOT NULL,
    state      json        NOT NULL,
    stream     text        COLLATE "C"           -- null where it isn't asked for
);
CREATE INDEX documents_stream_idx ON documents_v2.documents (tenant, stream) WHERE stream IS NOT NULL;
CREATE INDEX documents_position_idx ON documents_v2.documents (position);
ALTER TABLE documents_v2.documents ADD CONSTRAINT documents_pkey PRIMARY KEY (tenant, object, id);

GRANT SELECT ON ALL TABLES IN SCHEMA documents_v2 TO payledger_app;`

// sqlCreateIndexes makes those that only searches need, once the documents are nearly built: sorting all at once takes a fraction of
// the time of adding them one by one.
const sqlCreateIndexes = `
CREATE INDEX IF NOT EXISTS documents_created_idx ON documents_v2.documents (tenant, object, created_at, id) WHERE NOT deleted;
CREATE INDEX IF NOT EXISTS documents_owner_idx ON documents_v2.documents (tenant, object, owner, created_at, id) WHERE NOT deleted;
CREATE INDEX IF NOT EXISTS documents_updated_idx ON documents_v2.documents (tenant, object, updated_at, id) WHERE NOT deleted;
CREATE INDEX IF NOT EXISTS documents_amount_idx ON documents_v2.documents (tenant, object, amount, id) WHERE NOT deleted;
CREATE INDEX IF NOT EXISTS documents_facets_idx ON documents_v2.documents (tenant, object, status, reason, currency, amount) WHERE NOT deleted;
-- New words wait in a list that the writer sorts in when it is full. With 4 MB, the default, that takes a second.
CREATE INDEX IF NOT EXISTS documents_words_idx ON documents_v2.documents USING gin (words) WITH (gin_pending_list_limit = 64); -- kB`

const sqlSchemaExists = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

// EnsureSchema creates the table if it is absent, and says whether it did. It runs as the projector, who owns it.
func EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists, "documents_v2").Scan(&exists); err != nil || exists {
		return false, err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return false, fmt.Errorf("create schema documents_v2: %w", err)
	}
	return true, nil
}

// EnsureIndexes creates the indexes that only searches need, if they are absent. It runs as the projector.
func EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlCreateIndexes); err != nil {
		return fmt.Errorf("create the indexes of documents_v2: %w", err)
	}
	return nil
}

// Key identifies a document.
type Key struct {
	Tenant string
	readmodels.Ref
}

// Entry is a document with its place in the log.
type Entry struct {
	Key
	Document *readmodels.Document
	Position int64 // of the newest event folded in
	Epoch    int64 // of that event
}

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// OFFSET 0 keeps the planner from turning the joins round: one look-up by an index for each wanted key, however many there are.
const (
	sqlLoad = `
SELECT found.* FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, object, id) CROSS JOIN LATERAL (
    SELECT tenant, object, id, position, epoch, state, body FROM documents_v2.documents AS d
    WHERE d.tenant = wanted.tenant AND d.object = wanted.object AND d.id = wanted.id OFFSET 0) AS found`

	sqlLoadOfStreams = `
SELECT found.* FROM unnest($1::text[], $2::text[]) AS wanted (tenant, stream) CROSS JOIN LATERAL (
    SELECT tenant, object, id, position, epoch, state, body, created_at FROM documents_v2.documents AS d
    WHERE d.tenant = wanted.tenant AND d.stream = wanted.stream OFFSET 0) AS found ORDER BY created_at, id`
)

// Load returns the documents that are there.
func Load(ctx context.Context, db Querier, keys []Key) ([]Entry, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	tenants, objects, ids := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		tenants[i], objects[i], ids[i] = k.Tenant, string(k.Object), k.ID
	}
	rows, err := db.Query(ctx, sqlLoad, tenants, objects, ids)
	return collect(rows, err)
}

// LoadOfStreams returns the documents whose rows are folded from streams that tell of several: of payments and of customers. They
// come in the order in which the rows were made.
func LoadOfStreams(ctx context.Context, db Querier, streams []eventstore.StreamID) ([]Entry, error) {
	if len(streams) == 0 {
		return nil, nil
	}
	tenants, names := make([]string, len(streams)), make([]string, len(streams))
	for i, id := range streams {
		tenants[i], names[i] = id.Tenant, id.Name
	}
	rows, err := db.Query(ctx, sqlLoadOfStreams, tenants, names)
	return collect(rows, err)
}

func collect(rows pgx.Rows, err error) ([]Entry, error) {
	if err != nil {
		return nil, fmt.Errorf("load documents: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		var e Entry
		var state, body []byte
		targets := make([]any, len(row.FieldDescriptions()))
		copy(targets, []any{&e.Tenant, &e.Object, &e.ID, &e.Position, &e.Epoch, &state, &body})
		if err := row.Scan(targets...); err != nil {
			return e, err
		}
		var err error
		e.Document, err = decodeState(state, body)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("load documents: %w", err)
	}
	return entries, nil
}

const sqlInsert = `
INSERT INTO documents_v2.documents (tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, words, deleted,
    position, epoch, body, state, stream)
SELECT tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, words::tsvector, deleted, position, epoch,
    body::json, state::json, nullif(stream, '')
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[],
    $10::timestamptz[], $11::text[], $12::boolean[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[])
    AS d (tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, words, deleted, position, epoch, body, state, stream)`

const sqlUpsert = sqlInsert + `
ON CONFLICT (tenant, object, id) DO UPDATE SET
    owner = excluded.owner, status = excluded.status, reason = excluded.reason, amount = excluded.amount, currency = excluded.currency,
    created_at = excluded.created_at, updated_at = excluded.updated_at, words = excluded.words, deleted = excluded.deleted,
    position = excluded.position, epoch = excluded.epoch, body = excluded.body, state = excluded.state, stream = excluded.stream`

// Write inserts or replaces documents, in one round trip; each key stands in entries once.
func Write(ctx context.Context, tx pgx.Tx, entries []Entry) error {
	return write(ctx, tx, sqlUpsert, entries)
}

func write(ctx context.Context, tx pgx.Tx, sql string, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var c columns
	for i := range entries {
		if err := c.add(&entries[i]); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, sql, c.tenant, c.object, c.id, c.owner, c.status, c.reason, c.amount, c.currency, c.createdAt, c.updatedAt,
		c.words, c.deleted, c.position, c.epoch, c.body, c.state, c.stream); err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	return nil
}
