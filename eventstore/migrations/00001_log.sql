-- +goose Up
-- The log and what stands beside it. Rows of events are never changed: see the trigger below and the grants in 00002.

CREATE SCHEMA IF NOT EXISTS ledger;

-- One row: the end of the log. Its row lock is the fence between all writers.
CREATE TABLE ledger.head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint  NOT NULL DEFAULT 0 CHECK (position >= 0),
    epoch    bigint  NOT NULL DEFAULT 1 CHECK (epoch >= 1),
    hash     bytea   NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    route    bigint  NOT NULL DEFAULT 0 CHECK (route >= 0),
    recorded_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
INSERT INTO ledger.head DEFAULT VALUES;

-- data and metadata are bytea: the exact bytes that were hashed.
CREATE TABLE ledger.events (
    position     bigint      NOT NULL,
    epoch        bigint      NOT NULL,
    id           uuid        NOT NULL,
    commit_id    uuid        NOT NULL,
    tenant       text        NOT NULL,
    stream       text        NOT NULL,
    version      bigint      NOT NULL,
    type         text        NOT NULL,
    schema       integer     NOT NULL,
    data         bytea       NOT NULL,
    metadata     bytea       NOT NULL,
    effective_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    hash         bytea       NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (position),
    CONSTRAINT events_stream_version_key UNIQUE (tenant, stream, version),
    CONSTRAINT events_position_check CHECK (position >= 1),
    CONSTRAINT events_version_check CHECK (version >= 1),
    CONSTRAINT events_schema_check CHECK (schema >= 1),
    CONSTRAINT events_hash_check CHECK (octet_length(hash) = 32)
);

-- The current version of each stream: where versions are checked, so that events can be partitioned by position later.
CREATE TABLE ledger.streams (
    tenant   text   NOT NULL,
    stream   text   NOT NULL,
    version  bigint NOT NULL,
    position bigint NOT NULL,
    subject  text   NOT NULL DEFAULT '',
    CONSTRAINT streams_pkey PRIMARY KEY (tenant, stream),
    CONSTRAINT streams_version_check CHECK (version >= 1)
) WITH (fillfactor = 70);
CREATE INDEX streams_subject_idx ON ledger.streams (tenant, subject, position) WHERE subject <> '';

CREATE TABLE ledger.commits (
    commit_id      uuid   NOT NULL CONSTRAINT commits_pkey PRIMARY KEY,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    head           bigint NOT NULL
);

-- answered_at is null while the command is claimed and still running.
CREATE TABLE ledger.idempotency (
    tenant      text  NOT NULL,
    subject     text  NOT NULL,
    key         text  NOT NULL,
    fingerprint bytea NOT NULL,
    commit_id   uuid  NOT NULL,
    claimed_at  timestamptz NOT NULL,
    answered_at timestamptz,
    status      integer,
    etag        text,
    body        bytea,
    salt        bytea,
    position    bigint,
    CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, subject, key)
);
CREATE INDEX idempotency_claimed_at_idx ON ledger.idempotency (claimed_at);

CREATE TABLE ledger.route_events (
    number      bigint NOT NULL CONSTRAINT route_events_pkey PRIMARY KEY,
    commit_id   uuid   NOT NULL,
    topic       text   NOT NULL,
    key         text   NOT NULL,
    headers     json   NOT NULL,
    body        bytea  NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- The publisher's cursors (db, index, route). They can't be derived from the log: without them a publisher over a log with events refuses to start.
CREATE TABLE ledger.cursors (
    name     text   NOT NULL CONSTRAINT cursors_pkey PRIMARY KEY,
    position bigint NOT NULL,
    epoch    bigint NOT NULL
);

-- Here the log is empty, so this is where they stand, even if the API takes commands before the first publisher starts.
INSERT INTO ledger.cursors (name, position, epoch) VALUES ('db', 0, 1), ('index', 0, 1), ('route', 0, 1);

-- What each version of each projection has done, who runs it, and why it stands still.
CREATE TABLE ledger.checkpoints (
    projection  text    NOT NULL,
    version     integer NOT NULL,
    position    bigint  NOT NULL DEFAULT 0,
    hash        bytea   NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    lease_epoch bigint  NOT NULL DEFAULT 0,
    lease_owner text    NOT NULL DEFAULT '',
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    state       text    NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'halted')),
    halted_position bigint,
    halted_event    uuid,
    problem         text NOT NULL DEFAULT '',
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT checkpoints_pkey PRIMARY KEY (projection, version)
) WITH (fillfactor = 50);

-- Keys that seal a person's texts, wrapped by VAULT_KEY. In a schema of its own, so that dumps of the log can leave it out.
CREATE SCHEMA IF NOT EXISTS vault;
CREATE TABLE vault.keys (
    id           uuid NOT NULL CONSTRAINT keys_pkey PRIMARY KEY,
    tenant       text NOT NULL,
    subject      text NOT NULL,
    wrapped      bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CONSTRAINT keys_tombstone_check CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
-- One living key for a person.
CREATE UNIQUE INDEX keys_subject_key ON vault.keys (tenant, subject) WHERE destroyed_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed (%)', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON ledger.events
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- What a writer changes must be exactly what it expects: PL001 aborts its transaction before the COMMIT that is already on its way.
-- +goose StatementBegin
CREATE FUNCTION ledger.expect_rows(changed bigint, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changed IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'changed % rows, not %', changed, wanted USING ERRCODE = 'PL001';
    END IF;
END $$;
-- +goose StatementEnd
