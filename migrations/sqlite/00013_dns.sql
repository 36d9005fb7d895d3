-- +goose Up

-- Records people added to the names of the containers.
CREATE TABLE dns_records (
    name         TEXT NOT NULL,         -- below the domain; empty for the domain itself
    type         TEXT NOT NULL,
    data         TEXT NOT NULL,
    ttl          INTEGER NOT NULL CHECK (ttl > 0),
    reason       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    PRIMARY KEY (name, type, data)
) STRICT;
