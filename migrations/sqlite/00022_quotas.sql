-- +goose Up

-- Quotas of owners and environments too, and of addresses, privileged and nested containers.
CREATE TABLE held_quotas (
    scope  TEXT NOT NULL CHECK (scope IN ('project', 'owner', 'environment')),
    holder TEXT NOT NULL,               -- the name; project '*' is the whole host
    name   TEXT NOT NULL CHECK (name IN ('containers', 'cpus', 'memory', 'disk', 'addresses', 'privileged', 'nested')),
    max    INTEGER NOT NULL CHECK (max >= 0),  -- a number, thousandths of a CPU, or bytes
    PRIMARY KEY (scope, holder, name)
) STRICT;
INSERT INTO held_quotas SELECT 'project', project, name, max FROM quotas;
DROP TABLE quotas;
ALTER TABLE held_quotas RENAME TO quotas;

-- What a container counts against them.
ALTER TABLE containers ADD COLUMN addresses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE containers ADD COLUMN privileged INTEGER NOT NULL DEFAULT 0 CHECK (privileged IN (0, 1));
ALTER TABLE containers ADD COLUMN nested INTEGER NOT NULL DEFAULT 0 CHECK (nested IN (0, 1));
UPDATE containers SET
    addresses = (SELECT count(json_extract(value, '$.ipv4')) FROM json_each(coalesce(nics, '[]'))),
    privileged = coalesce(json_extract(settings, '$."security.privileged"') = 'true', 0),
    nested = coalesce(
        json_extract(settings, '$."security.nesting"'),
        (SELECT json_extract(p.settings, '$."security.nesting"') FROM projects p WHERE p.name = containers.project),
        (SELECT json_extract(h.settings, '$."security.nesting"') FROM hosts h WHERE h.id = containers.host_id),
        'false') = 'true';
CREATE INDEX containers_owner ON containers (owner);
