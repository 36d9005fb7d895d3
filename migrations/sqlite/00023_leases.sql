-- +goose Up

-- The second clock of a lease; the first is expires_ns.
ALTER TABLE containers ADD COLUMN run_until_ns INTEGER;
CREATE INDEX containers_leased ON containers (host_id) WHERE expires_ns IS NOT NULL OR run_until_ns IS NOT NULL;

-- Which warnings were given, so that none is given twice.
CREATE TABLE lease_warnings (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    clock        TEXT NOT NULL CHECK (clock IN ('run', 'keep')),
    until_ns     INTEGER NOT NULL,      -- the end it is about
    before_ns    INTEGER NOT NULL,      -- how long before that end it is due, nanoseconds
    at_ns        INTEGER NOT NULL,
    PRIMARY KEY (container_id, clock, until_ns, before_ns)
) STRICT;

-- Leases act as themselves; so far they did as whoever asked for them.
UPDATE deadlines SET principal = '{"name":"lease","kind":"system","admin":true,"proof":"lease","from":"agent"}'
    WHERE verb = 'container.delete' AND done_ns IS NULL;
