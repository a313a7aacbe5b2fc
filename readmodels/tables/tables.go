// Package tables holds the current-state tables behind the GET routes: their schema, how rows are written (by the
// projection "tables" alone) and the queries over them. Every key and every query begins with the tenant.
package tables

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels/checkpoints"
)

// The projection that fills these tables; the version is part of the schema's name.
const (
	ProjectionName    = "tables"
	ProjectionVersion = 1
)

// Projection names the checkpoint of these tables.
func Projection() checkpoints.Projection {
	return checkpoints.Projection{Name: ProjectionName, Version: ProjectionVersion}
}

// Texts compare by bytes (COLLATE "C"), so that orders and cursors are the same on every server. Each secondary index
// serves one filter and the sort by the same column: ties go by created_at, which is part of it, then by id, which
// Postgres sorts within equal times (incremental sort) and which would double the size of every index. The fillfactor
// leaves room for the one or two updates that most fees see. The keys are made last: while a table is empty all its
// indexes seem equally good, and the planner takes the newest.
const sqlCreateSchema = `
CREATE SCHEMA tables_v1;
GRANT USAGE ON SCHEMA tables_v1 TO payledger_app;

CREATE TABLE tables_v1.fees (
    tenant             text        COLLATE "C" NOT NULL,
    id                 text        COLLATE "C" NOT NULL,
    user_id            text        COLLATE "C" NOT NULL,
    loan_id            text        COLLATE "C" NOT NULL, -- empty for none
    amount             bigint      NOT NULL,             -- minor units, as paid and reduced
    currency           text        COLLATE "C" NOT NULL,
    status             smallint    NOT NULL,
    status_update_date timestamptz NOT NULL,
    reason             text        COLLATE "C" NOT NULL,
    note               text        COLLATE "C" NOT NULL,
    is_active          boolean     NOT NULL,
    record_version     bigint      NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    paid               bigint      NOT NULL,
    reduced            bigint      NOT NULL,
    cancelled          boolean     NOT NULL,
    position           bigint      NOT NULL              -- of the last event folded in
) WITH (fillfactor = 80);
CREATE INDEX fees_created_idx ON tables_v1.fees (tenant, created_at);
CREATE INDEX fees_user_idx ON tables_v1.fees (tenant, user_id, created_at);
CREATE INDEX fees_loan_idx ON tables_v1.fees (tenant, loan_id, created_at);
CREATE INDEX fees_amount_idx ON tables_v1.fees (tenant, amount, created_at);
CREATE INDEX fees_status_idx ON tables_v1.fees (tenant, status, created_at);
CREATE INDEX fees_reason_idx ON tables_v1.fees (tenant, reason, created_at);
ALTER TABLE tables_v1.fees ADD CONSTRAINT fees_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v1.fee_payments (
    tenant                   text        COLLATE "C" NOT NULL,
    id                       text        COLLATE "C" NOT NULL, -- of the allocation
    payment_id               text        COLLATE "C" NOT NULL,
    fee_id                   text        COLLATE "C" NOT NULL,
    amount_paid              bigint      NOT NULL,             -- minor units
    currency                 text        COLLATE "C" NOT NULL,
    user_id                  text        COLLATE "C" NOT NULL,
    payment_method           smallint    NOT NULL,
    payment_status           smallint    NOT NULL,
    payment_date             timestamptz NOT NULL,
    stripe_payment_intent_id text        COLLATE "C" NOT NULL,
    handled_by_user_id       text        COLLATE "C" NOT NULL,
    note                     text        COLLATE "C" NOT NULL,
    is_active                boolean     NOT NULL,
    record_version           bigint      NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    position                 bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX fee_payments_fee_idx ON tables_v1.fee_payments (tenant, fee_id, created_at);
ALTER TABLE tables_v1.fee_payments ADD CONSTRAINT fee_payments_pkey PRIMARY KEY (tenant, id);

GRANT SELECT ON ALL TABLES IN SCHEMA tables_v1 TO payledger_app;`

const sqlSchemaExists = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

// EnsureSchema creates the tables if they are absent, and says whether it did. It runs as the projector, who owns them.
func EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, sqlSchemaExists, "tables_v1").Scan(&exists); err != nil || exists {
		return false, err
	}
	if _, err := tx.Exec(ctx, sqlCreateSchema); err != nil {
		return false, fmt.Errorf("create schema tables_v1: %w", err)
	}
	return true, nil
}
