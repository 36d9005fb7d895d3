-- +goose Up

-- The policies of the site, as they were from one change to the next. The newest is in force.
CREATE TABLE policy_versions (
    version      INTEGER PRIMARY KEY NOT NULL,
    text         TEXT NOT NULL,         -- Cedar; empty for none
    policies     INTEGER NOT NULL,      -- how many there are
    sha256       TEXT NOT NULL,         -- of the text
    operation_id TEXT NOT NULL UNIQUE,  -- which wrote it
    change_id    TEXT NOT NULL,         -- which others agreed to; '' if it was not held
    principal    TEXT NOT NULL,         -- name
    reason       TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL
) STRICT;

-- Decisions the site wants its policies to make.
CREATE TABLE policy_expectations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    as_whom     TEXT NOT NULL,          -- a user, role:ROLE, group:GROUP
    verb        TEXT NOT NULL,
    target      TEXT NOT NULL,          -- a container, or facts; '' for the host
    want        TEXT NOT NULL CHECK (want IN ('allow', 'deny', 'hold', 'pass')),
    note        TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_ns  INTEGER NOT NULL,
    UNIQUE (as_whom, verb, target)
) STRICT;
