-- +goose Up
-- Keys compare by bytes, whatever the database's collation: an update of the system's locales can change the order of texts, and an
-- index in the old order no longer finds a key that is there. It is also the quickest way. The indexes are built anew.
ALTER TABLE ledger.events
    ALTER COLUMN tenant TYPE text COLLATE "C",
    ALTER COLUMN stream TYPE text COLLATE "C";
ALTER TABLE ledger.streams
    ALTER COLUMN tenant TYPE text COLLATE "C",
    ALTER COLUMN stream TYPE text COLLATE "C",
    ALTER COLUMN subject TYPE text COLLATE "C";
ALTER TABLE ledger.idempotency
    ALTER COLUMN tenant TYPE text COLLATE "C",
    ALTER COLUMN subject TYPE text COLLATE "C",
    ALTER COLUMN key TYPE text COLLATE "C";
ALTER TABLE ledger.cursors
    ALTER COLUMN name TYPE text COLLATE "C";
ALTER TABLE ledger.checkpoints
    ALTER COLUMN projection TYPE text COLLATE "C";
ALTER TABLE vault.keys
    ALTER COLUMN tenant TYPE text COLLATE "C",
    ALTER COLUMN subject TYPE text COLLATE "C";
