-- +goose Up

-- Uids of users inside containers. A row outlives its user: no other identity ever gets the uid.
CREATE TABLE unix_uids (
    user_id    TEXT PRIMARY KEY NOT NULL,
    uid        INTEGER NOT NULL UNIQUE CHECK (uid BETWEEN 60600 AND 65000),
    created_ns INTEGER NOT NULL
) STRICT;

-- The accounts Lodge made; what has no row here it did not make.
CREATE TABLE unix_accounts (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES unix_uids (user_id),
    name         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('making', 'open', 'locked')),
    created_ns   INTEGER NOT NULL,
    changed_ns   INTEGER NOT NULL,
    PRIMARY KEY (container_id, user_id)
) STRICT;
