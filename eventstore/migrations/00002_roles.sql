-- +goose Up
-- The three roles: the owner (who runs this), payledger_app and payledger_projector. Roles are of the whole server and several
-- databases may be migrated at once, so a role that appeared meanwhile is fine.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['payledger_app', 'payledger_projector'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I LOGIN', name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- made by another migration at the same time
        END;
    END LOOP;
END $$;
-- +goose StatementEnd

GRANT USAGE ON SCHEMA ledger, vault TO payledger_app, payledger_projector;

GRANT SELECT, INSERT ON ledger.events, ledger.commits, ledger.idempotency, ledger.route_events, ledger.streams, vault.keys TO payledger_app;
GRANT SELECT ON ledger.head, ledger.checkpoints, ledger.cursors TO payledger_app;
GRANT UPDATE ON ledger.streams, ledger.head, ledger.idempotency TO payledger_app;

GRANT SELECT ON ALL TABLES IN SCHEMA ledger, vault TO payledger_projector;
GRANT INSERT, UPDATE ON ledger.checkpoints, ledger.cursors TO payledger_projector;

-- Read models live in schemas named <projection>_v<version>, made and owned by the projector.
-- +goose StatementBegin
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO payledger_projector', current_database()); END $$;
-- +goose StatementEnd

-- Trimming is the only deletion, and only of what is old and published. It is a function of the owner, so no role needs DELETE.
-- +goose StatementBegin
CREATE FUNCTION ledger.trim(before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    published bigint;
    n bigint;
    m bigint;
BEGIN
    IF before > now() - interval '30 days' THEN
        RAISE EXCEPTION 'answers and route events are kept for 30 days' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT coalesce(max(position), 0) INTO published FROM ledger.cursors WHERE name = 'route';
    DELETE FROM ledger.route_events WHERE recorded_at < before AND number <= published;
    GET DIAGNOSTICS n = ROW_COUNT;
    DELETE FROM ledger.idempotency WHERE claimed_at < before AND answered_at IS NOT NULL;
    GET DIAGNOSTICS m = ROW_COUNT;
    RETURN n + m;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION ledger.trim(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.trim(timestamptz) TO payledger_app;
