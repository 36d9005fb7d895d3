-- +goose Up

-- Who there is. An id is never given again; users and groups share their names (accounts).
CREATE TABLE accounts (
    name TEXT PRIMARY KEY NOT NULL,
    id   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE users (
    id          TEXT PRIMARY KEY NOT NULL,
    name        TEXT NOT NULL UNIQUE REFERENCES accounts (name),
    note        TEXT NOT NULL,
    disabled_ns INTEGER,
    created_ns  INTEGER NOT NULL
) STRICT;

-- Uids of this host that are a user's.
CREATE TABLE user_uids (
    uid     INTEGER PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id)
) STRICT;

CREATE TABLE user_keys (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id),
    type        TEXT NOT NULL,
    bits        INTEGER NOT NULL,
    comment     TEXT NOT NULL,
    line        TEXT NOT NULL,
    created_ns  INTEGER NOT NULL
) STRICT;

CREATE TABLE user_groups (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL UNIQUE REFERENCES accounts (name),
    note       TEXT NOT NULL,
    members    TEXT,                      -- a JSON list of {"user": ID} and {"group": ID}
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE role_bindings (
    id         TEXT PRIMARY KEY NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'owner', 'approver', 'auditor', 'admin')),
    user_id    TEXT NOT NULL,             -- one of the two is ''
    group_id   TEXT NOT NULL,
    extent     TEXT NOT NULL,             -- host, project:NAME, container:ID, selector:FILTER
    expires_ns INTEGER,
    reason     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    CHECK ((user_id = '') <> (group_id = ''))
) STRICT;

-- Secrets of tokens are kept nowhere: only their SHA-256 is.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id),
    rights     TEXT,                      -- a JSON list
    extent     TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    expires_ns INTEGER,
    used_ns    INTEGER,
    revoked_ns INTEGER,
    created_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;
