-- +goose Up

-- Networks beside the default one, and addresses that are kept from containers.
ALTER TABLE networks ADD COLUMN type TEXT NOT NULL DEFAULT 'managed' CHECK (type IN ('managed', 'bridge', 'macvlan'));
ALTER TABLE networks ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE networks ADD COLUMN created_ns INTEGER NOT NULL DEFAULT 0;

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
