-- +goose Up

-- Which containers of an application may not, or have to, share a host.
CREATE TABLE affinities (
    app          TEXT PRIMARY KEY NOT NULL,
    form         TEXT NOT NULL CHECK (form IN ('apart', 'together')),
    prefer       INTEGER NOT NULL CHECK (prefer IN (0, 1)),
    field        TEXT NOT NULL,
    field_values TEXT,                  -- a JSON list
    reason       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL
) STRICT;
