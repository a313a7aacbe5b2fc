-- +goose Up
-- Records come in order of claimed_at and only trimming looks for it: a summary for each stretch of the table does, and
-- costs a command nothing.
DROP INDEX ledger.idempotency_claimed_at_idx;
CREATE INDEX idempotency_claimed_at_idx ON ledger.idempotency USING brin (claimed_at);
