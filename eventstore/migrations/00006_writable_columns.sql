-- +goose Up
-- Who a stream is about is said when it begins, whose a key is when it is claimed: nobody may change that later. Nor are the epoch and the last
-- erasure the writer's.
REVOKE UPDATE ON ledger.streams, ledger.head, ledger.idempotency FROM payledger_app;
GRANT UPDATE (version, position) ON ledger.streams TO payledger_app;
GRANT UPDATE (position, hash, route, recorded_at) ON ledger.head TO payledger_app;
GRANT UPDATE (answered_at, status, etag, body, salt, position) ON ledger.idempotency TO payledger_app;
