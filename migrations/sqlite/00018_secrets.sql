-- +goose Up

-- Values the agent keeps for what it does, each sealed by the host key in ROOT/keys.
CREATE TABLE secrets (
    name       TEXT PRIMARY KEY NOT NULL,
    note       TEXT NOT NULL,
    sealed     TEXT NOT NULL,             -- base64 of an age file
    uses       TEXT,                      -- a JSON list of who has read it, and when last
    revision   INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;
