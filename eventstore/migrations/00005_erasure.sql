-- +goose Up
-- Who was erased, and by which event. The last of these positions stands in head as well, where every writer sees it under the lock:
-- whoever remembers opened texts or keys forgets them when it has moved.
CREATE TABLE ledger.erasures (
    position bigint  NOT NULL CONSTRAINT erasures_pkey PRIMARY KEY,
    epoch    bigint  NOT NULL,
    tenant   text    COLLATE "C" NOT NULL,
    subject  text    COLLATE "C" NOT NULL,
    keys     integer NOT NULL
);
CREATE INDEX erasures_subject_idx ON ledger.erasures (tenant, subject, position);
GRANT SELECT ON ledger.erasures TO payledger_app, payledger_projector;
ALTER TABLE ledger.head ADD COLUMN erased bigint NOT NULL DEFAULT 0;

-- Destroying a person's keys is a function of the owner, so that no role may change keys, and it asks for the event that says so: the
-- writer calls it in the transaction that appends the event.
-- +goose StatementBegin
CREATE FUNCTION ledger.erase_person(of_tenant text, of_subject text, at bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    n integer;
    of_epoch bigint;
BEGIN
    SELECT e.epoch INTO of_epoch FROM ledger.events e JOIN ledger.streams s ON s.tenant = e.tenant AND s.stream = e.stream
    WHERE e.position = at AND e.type = 'person.erased' AND s.tenant = of_tenant AND s.subject = of_subject;
    IF of_epoch IS NULL THEN
        RAISE EXCEPTION 'event % erases nobody of this name', at USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE vault.keys SET wrapped = NULL, destroyed_at = clock_timestamp()
    WHERE tenant = of_tenant AND subject = of_subject AND destroyed_at IS NULL;
    GET DIAGNOSTICS n = ROW_COUNT;
    INSERT INTO ledger.erasures (position, epoch, tenant, subject, keys) VALUES (at, of_epoch, of_tenant, of_subject, n);
    UPDATE ledger.head SET erased = at;
    RETURN n;
END $$;
-- +goose StatementEnd

-- The texts that are sealed in the log, in an answer as the API printed it.
CREATE FUNCTION ledger.without_texts(body bytea) RETURNS bytea LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT convert_to(regexp_replace(convert_from(body, 'UTF8'), '"(note|cardHolderName|cardHolderZip)":"([^"\\]|\\.)*"', '"\1":null', 'g'), 'UTF8')
$$;

-- Takes the texts out of stored answers and route events that show rows of an erased person and were stored up to a position, and
-- counts those. Nothing else of them changes: a request that is repeated gets its answer, and what wasn't published yet will be. The salt of
-- an answer goes too, so that its hash in the log confirms no guess.
-- +goose StatementBegin
CREATE FUNCTION ledger.erase_answers(of_tenant text, of_subject text, up_to bigint, OUT answers bigint, OUT routes bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    owned bytea := convert_to('"_owner":' || to_json(of_subject)::text, 'UTF8');
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.erasures WHERE tenant = of_tenant AND subject = of_subject) THEN
        RAISE EXCEPTION 'nobody of this name was erased' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE ledger.idempotency i SET body = ledger.without_texts(i.body), salt = ''
    WHERE i.tenant = of_tenant AND i.position <= up_to AND position(owned IN i.body) > 0;
    GET DIAGNOSTICS answers = ROW_COUNT;
    UPDATE ledger.route_events r SET body = ledger.without_texts(r.body)
    FROM ledger.commits c
    WHERE c.commit_id = r.commit_id AND c.head <= up_to AND r.headers ->> 'ledger-tenant' = of_tenant AND position(owned IN r.body) > 0;
    GET DIAGNOSTICS routes = ROW_COUNT;
END $$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION ledger.erase_person(text, text, bigint), ledger.without_texts(bytea), ledger.erase_answers(text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.erase_person(text, text, bigint), ledger.erase_answers(text, text, bigint) TO payledger_app;
