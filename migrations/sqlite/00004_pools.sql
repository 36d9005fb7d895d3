-- +goose Up

-- Where root file systems live. The driver knows what is in a pool; a row says that there is one.
CREATE TABLE pools (
    host_id      TEXT NOT NULL REFERENCES hosts (id),
    name         TEXT NOT NULL,
    driver       TEXT NOT NULL CHECK (driver IN ('btrfs', 'dir')),
    source       TEXT NOT NULL,         -- the folder it was given; '' for one below the agent's root
    size_bytes   INTEGER NOT NULL,      -- asked for when it was made; 0 for the driver's choice
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    scrubbed_ns  INTEGER,
    scrub_errors INTEGER NOT NULL,
    created_ns   INTEGER NOT NULL,
    PRIMARY KEY (host_id, name)
) STRICT;

CREATE UNIQUE INDEX pools_default ON pools (host_id) WHERE is_default = 1;
