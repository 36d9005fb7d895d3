-- +goose Up

-- Tenants. Containers name theirs; the agent checks in the admission that it is there, and a
-- project with containers, the trash included, is not deleted.
CREATE TABLE projects (
    name       TEXT PRIMARY KEY NOT NULL,
    purpose    TEXT NOT NULL,
    owner      TEXT NOT NULL,
    members    TEXT,                    -- [{"principal", "role"}]
    settings   TEXT,                    -- {"name": "value"}, inherited by the containers
    network    TEXT NOT NULL,           -- '' for the host's default
    image      TEXT NOT NULL,           -- '' for none
    revision   INTEGER NOT NULL CHECK (revision > 0),
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;

INSERT INTO projects VALUES ('default', 'containers of no other project', 'root', NULL, NULL, '', '', 1,
    CAST(strftime('%s', 'now') AS INTEGER) * 1000000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000000);
