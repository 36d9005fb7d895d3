-- +goose Up

-- Networks without a bridge. SQLite changes no constraint in place, and dropping the table takes the
-- reservations along, so both are made anew.
CREATE TABLE networks_next (
    name       TEXT PRIMARY KEY NOT NULL,
    bridge     TEXT NOT NULL,          -- of a routed network: the parent, or ''
    ipv4       TEXT NOT NULL,
    ipv6       TEXT NOT NULL,
    mtu        INTEGER NOT NULL,
    nat        INTEGER NOT NULL CHECK (nat IN (0, 1)),
    type       TEXT NOT NULL DEFAULT 'managed' CHECK (type IN ('managed', 'bridge', 'macvlan', 'routed')),
    purpose    TEXT NOT NULL DEFAULT '',
    created_ns INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO networks_next (name, bridge, ipv4, ipv6, mtu, nat, type, purpose, created_ns)
    SELECT name, bridge, ipv4, ipv6, mtu, nat, type, purpose, created_ns FROM networks;

CREATE TABLE reservations_before AS SELECT * FROM address_reservations;
DROP TABLE address_reservations;
DROP TABLE networks;
ALTER TABLE networks_next RENAME TO networks;
CREATE UNIQUE INDEX networks_bridge ON networks (bridge) WHERE type <> 'routed';

CREATE TABLE address_reservations (
    network     TEXT NOT NULL REFERENCES networks (name) ON DELETE CASCADE,
    ip_range    TEXT NOT NULL,          -- 10.86.0.7 or 10.86.0.7-10.86.0.20
    for_project TEXT NOT NULL,          -- with for_name: the container that may have them; both empty for none
    for_name    TEXT NOT NULL,
    note        TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_ns  INTEGER NOT NULL,
    PRIMARY KEY (network, ip_range)
) STRICT;
INSERT INTO address_reservations (network, ip_range, for_project, for_name, note, created_by, created_ns)
    SELECT network, ip_range, for_project, for_name, note, created_by, created_ns FROM reservations_before;
DROP TABLE reservations_before;
