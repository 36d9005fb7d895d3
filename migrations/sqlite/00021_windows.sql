-- +goose Up

-- When containers may be changed, and when they may not.
CREATE TABLE windows (
    name       TEXT PRIMARY KEY NOT NULL,
    schedule   TEXT NOT NULL,           -- hours of the week with their time zone, or "always"
    from_ns    INTEGER,
    until_ns   INTEGER,
    filter     TEXT NOT NULL,           -- "" is every container
    verbs      TEXT,                    -- a JSON list; none is whatever changes a container
    freeze     INTEGER NOT NULL CHECK (freeze IN (0, 1)),
    reason     TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;
