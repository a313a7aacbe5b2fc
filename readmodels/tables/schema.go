package tables

// Texts compare by bytes (COLLATE "C"), so that orders and cursors are the same on every server. Each secondary index
// serves one filter and the sort by the same column: ties go by created_at, which is part of it, then by id, which
// Postgres sorts within equal times (incremental sort) and which would double the size of every index. Lists show active rows
// only, and so do the indexes: then they alone answer what is only counted. The fillfactor
// leaves room for the one or two updates that most fees see. The keys are made last: while a table is empty all its
// indexes seem equally good, and the planner takes the newest. More indexes come with sqlCreateIndexes.
const sqlCreateSchema = `
CREATE SCHEMA tables_v2;
GRANT USAGE ON SCHEMA tables_v2 TO payledger_app;

CREATE TABLE tables_v2.fees (
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
    reserved           bigint      NOT NULL,
    cancelled          boolean     NOT NULL,
    stream_version     bigint      NOT NULL,             -- of the last event folded in
    position           bigint      NOT NULL              -- of that event
) WITH (fillfactor = 80);
CREATE INDEX fees_user_idx ON tables_v2.fees (tenant, user_id, created_at) WHERE is_active;
ALTER TABLE tables_v2.fees ADD CONSTRAINT fees_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.fee_payments (
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
CREATE INDEX fee_payments_payment_idx ON tables_v2.fee_payments (tenant, payment_id);
ALTER TABLE tables_v2.fee_payments ADD CONSTRAINT fee_payments_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.fee_events (
    tenant         text        COLLATE "C" NOT NULL,
    id             text        COLLATE "C" NOT NULL, -- of the event, or of the note
    fee_id         text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL, -- of the fee
    event_type     smallint    NOT NULL,
    event_date     timestamptz NOT NULL,
    actor_user_id  text        COLLATE "C" NOT NULL,
    note           text        COLLATE "C" NOT NULL,
    staff_only     boolean     NOT NULL,
    is_active      boolean     NOT NULL,
    record_version bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    position       bigint      NOT NULL
);
ALTER TABLE tables_v2.fee_events ADD CONSTRAINT fee_events_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.gateway_payments (
    tenant         text        COLLATE "C" NOT NULL,
    id             text        COLLATE "C" NOT NULL,
    owner_id       text        COLLATE "C" NOT NULL,
    order_id       text        COLLATE "C" NOT NULL,
    payment_id     text        COLLATE "C" NOT NULL, -- the gateway's
    payment_status text        COLLATE "C" NOT NULL,
    status_literal text        COLLATE "C" NOT NULL,
    redirect_url   text        COLLATE "C" NOT NULL,
    is_active      boolean     NOT NULL,
    record_version bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    position       bigint      NOT NULL
);
CREATE INDEX gateway_payments_created_idx ON tables_v2.gateway_payments (tenant, created_at) WHERE is_active;
CREATE INDEX gateway_payments_owner_idx ON tables_v2.gateway_payments (tenant, owner_id, created_at) WHERE is_active;
CREATE INDEX gateway_payments_order_idx ON tables_v2.gateway_payments (tenant, order_id, created_at) WHERE is_active;
CREATE INDEX gateway_payments_payment_idx ON tables_v2.gateway_payments (tenant, payment_id, created_at) WHERE is_active;
CREATE INDEX gateway_payments_status_idx ON tables_v2.gateway_payments (tenant, payment_status, created_at) WHERE is_active;
CREATE INDEX gateway_payments_literal_idx ON tables_v2.gateway_payments (tenant, status_literal, created_at) WHERE is_active;
ALTER TABLE tables_v2.gateway_payments ADD CONSTRAINT gateway_payments_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.payment_customers (
    tenant         text        COLLATE "C" NOT NULL,
    id             text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL,
    customer_id    text        COLLATE "C" NOT NULL, -- the gateway's
    platform       text        COLLATE "C" NOT NULL,
    is_active      boolean     NOT NULL,
    record_version bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    position       bigint      NOT NULL
);
CREATE INDEX payment_customers_created_idx ON tables_v2.payment_customers (tenant, created_at) WHERE is_active;
CREATE INDEX payment_customers_user_idx ON tables_v2.payment_customers (tenant, user_id, created_at) WHERE is_active;
ALTER TABLE tables_v2.payment_customers ADD CONSTRAINT payment_customers_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.payment_methods (
    tenant            text        COLLATE "C" NOT NULL,
    id                text        COLLATE "C" NOT NULL,
    payment_method_id text        COLLATE "C" NOT NULL, -- the gateway's
    user_id           text        COLLATE "C" NOT NULL,
    customer_id       text        COLLATE "C" NOT NULL, -- the gateway's
    card_holder_name  text        COLLATE "C" NOT NULL,
    card_holder_zip   text        COLLATE "C" NOT NULL,
    platform          text        COLLATE "C" NOT NULL,
    card_brand        text        COLLATE "C" NOT NULL,
    card_last4        text        COLLATE "C" NOT NULL,
    card_exp_month    bigint      NOT NULL,
    card_exp_year     bigint      NOT NULL,
    is_active         boolean     NOT NULL,
    record_version    bigint      NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    position          bigint      NOT NULL
);
CREATE INDEX payment_methods_created_idx ON tables_v2.payment_methods (tenant, created_at) WHERE is_active;
CREATE INDEX payment_methods_user_idx ON tables_v2.payment_methods (tenant, user_id, created_at) WHERE is_active;
ALTER TABLE tables_v2.payment_methods ADD CONSTRAINT payment_methods_pkey PRIMARY KEY (tenant, id);

CREATE TABLE tables_v2.credits (
    tenant     text        COLLATE "C" NOT NULL,
    id         text        COLLATE "C" NOT NULL,
    user_id    text        COLLATE "C" NOT NULL,
    source     text        COLLATE "C" NOT NULL,
    payment_id text        COLLATE "C" NOT NULL, -- empty for none
    currency   text        COLLATE "C" NOT NULL,
    granted    bigint      NOT NULL,             -- minor units, as remaining
    remaining  bigint      NOT NULL,
    granted_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    position   bigint      NOT NULL
);
CREATE INDEX credits_user_idx ON tables_v2.credits (tenant, user_id, granted_at);
ALTER TABLE tables_v2.credits ADD CONSTRAINT credits_pkey PRIMARY KEY (tenant, id);

GRANT SELECT ON ALL TABLES IN SCHEMA tables_v2 TO payledger_app;`

// sqlCreateIndexes makes the indexes of large tables that only lists need, once the tables are nearly built: sorting all rows at once
// takes a fraction of the time of adding them one by one.
const sqlCreateIndexes = `
CREATE INDEX IF NOT EXISTS fees_created_idx ON tables_v2.fees (tenant, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fees_loan_idx ON tables_v2.fees (tenant, loan_id, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fees_amount_idx ON tables_v2.fees (tenant, amount, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fees_status_idx ON tables_v2.fees (tenant, status, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fees_reason_idx ON tables_v2.fees (tenant, reason, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_payments_created_idx ON tables_v2.fee_payments (tenant, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_payments_fee_idx ON tables_v2.fee_payments (tenant, fee_id, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_payments_user_idx ON tables_v2.fee_payments (tenant, user_id, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_payments_method_idx ON tables_v2.fee_payments (tenant, payment_method, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_payments_status_idx ON tables_v2.fee_payments (tenant, payment_status, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_events_created_idx ON tables_v2.fee_events (tenant, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_events_fee_idx ON tables_v2.fee_events (tenant, fee_id, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_events_user_idx ON tables_v2.fee_events (tenant, user_id, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_events_type_idx ON tables_v2.fee_events (tenant, event_type, created_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS fee_events_actor_idx ON tables_v2.fee_events (tenant, actor_user_id, created_at) WHERE is_active;`
