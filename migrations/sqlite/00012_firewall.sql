-- +goose Up

-- Who may open connections to whom. Ends are as people write them, containers by their id.
CREATE TABLE firewall_rules (
    id         TEXT PRIMARY KEY NOT NULL,
    action     TEXT NOT NULL CHECK (action IN ('allow', 'deny')),
    from_end   TEXT NOT NULL,
    to_end     TEXT NOT NULL,
    ports      TEXT NOT NULL,
    expires_ns INTEGER,
    reason     TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

-- Ports of the host that are a container's.
CREATE TABLE forwards (
    id           TEXT PRIMARY KEY NOT NULL,
    protocol     TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    address      TEXT NOT NULL,           -- of the host; empty for all
    ports        TEXT NOT NULL,
    container_id TEXT NOT NULL,
    to_port      INTEGER NOT NULL,        -- of the first
    reason       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL
) STRICT;
