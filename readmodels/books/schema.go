package books

// Texts compare by bytes (COLLATE "C"). The journal is only ever added to, at its end; amounts of turnovers are numeric, since the
// sum of amounts has no bound. Indexes for readers come with sqlCreateIndexes.
const sqlCreateSchema = `
CREATE SCHEMA books_v1;
GRANT USAGE ON SCHEMA books_v1 TO payledger_app;

CREATE TABLE books_v1.journal (
    tenant       text        COLLATE "C" NOT NULL,
    position     bigint      NOT NULL,             -- of the event that posts it
    effective_at timestamptz NOT NULL,
    debit        smallint    NOT NULL,             -- account, in the accrual profile
    credit       smallint    NOT NULL,
    fee_type     text        COLLATE "C" NOT NULL, -- the ids too: empty for none
    amount       bigint      NOT NULL,             -- minor units, more than zero
    currency     text        COLLATE "C" NOT NULL,
    user_id      text        COLLATE "C" NOT NULL,
    fee_id       text        COLLATE "C" NOT NULL,
    payment_id   text        COLLATE "C" NOT NULL,
    credit_id    text        COLLATE "C" NOT NULL,
    CONSTRAINT journal_pkey PRIMARY KEY (tenant, position)
);

CREATE TABLE books_v1.turnovers (
    tenant   text     COLLATE "C" NOT NULL,
    day      date     NOT NULL,             -- of the effective time, in UTC
    currency text     COLLATE "C" NOT NULL,
    debit    smallint NOT NULL,
    credit   smallint NOT NULL,
    fee_type text     COLLATE "C" NOT NULL,
    amount   numeric  NOT NULL,             -- minor units
    postings bigint   NOT NULL,
    CONSTRAINT turnovers_pkey PRIMARY KEY (tenant, day, currency, debit, credit, fee_type)
) WITH (fillfactor = 50);

CREATE TABLE books_v1.origins (
    tenant  text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL, -- of the stream, or of a part of it
    user_id text COLLATE "C" NOT NULL,
    word    text COLLATE "C" NOT NULL,
    CONSTRAINT origins_pkey PRIMARY KEY (tenant, key)
);

CREATE TABLE books_v1.profiles (
    tenant   text   COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    profile  text   COLLATE "C" NOT NULL,
    CONSTRAINT profiles_pkey PRIMARY KEY (tenant, position)
);

GRANT SELECT ON ALL TABLES IN SCHEMA books_v1 TO payledger_app;`

const sqlCreateIndexes = `
CREATE INDEX IF NOT EXISTS journal_effective_idx ON books_v1.journal (tenant, effective_at, position);`
