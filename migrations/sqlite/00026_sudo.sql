-- +goose Up

-- Who has, and had, sudo in a container, and until when.
CREATE TABLE sudo_grants (
    id           TEXT PRIMARY KEY,      -- of the operation that gave it
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    account      TEXT NOT NULL,         -- of the container
    holder       TEXT,                  -- JSON, the principal it is for
    given_by     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    given_ns     INTEGER NOT NULL,
    until_ns     INTEGER NOT NULL,
    ended_ns     INTEGER,
    end_reason   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sudo_grants_open ON sudo_grants (container_id) WHERE ended_ns IS NULL;
