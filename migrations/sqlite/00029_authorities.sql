-- +goose Up

-- Authorities from outside whose SSH certificates tell who the listed users are.
CREATE TABLE ssh_authorities (
    id          TEXT PRIMARY KEY NOT NULL,
    name        TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL UNIQUE,
    type        TEXT NOT NULL,
    bits        INTEGER NOT NULL,
    line        TEXT NOT NULL,
    members     TEXT,                      -- a JSON list of {"user": ID} and {"group": ID}
    principals  TEXT,                      -- a JSON object: user ids by principal
    reason      TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_ns  INTEGER NOT NULL
) STRICT;
