-- +goose Up

ALTER TABLE containers ADD COLUMN devices TEXT;

-- Trees of files that outlive the containers they are attached to.
CREATE TABLE volumes (
    id         TEXT PRIMARY KEY NOT NULL,
    host_id    TEXT NOT NULL REFERENCES hosts (id),
    name       TEXT NOT NULL,
    project    TEXT NOT NULL,
    pool       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),     -- counted against the project's disk quota
    backup     INTEGER NOT NULL CHECK (backup IN (0, 1)),
    shared     INTEGER NOT NULL CHECK (shared IN (0, 1)),
    revision   INTEGER NOT NULL CHECK (revision > 0),
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX volumes_name ON volumes (project, name);

-- Who had which volume from when to when. It outlives both, hence no foreign keys.
CREATE TABLE volume_attachments (
    id           INTEGER PRIMARY KEY NOT NULL,
    volume_id    TEXT NOT NULL,
    container_id TEXT NOT NULL,
    name         TEXT NOT NULL,         -- of the container
    project      TEXT NOT NULL,
    device       TEXT NOT NULL,
    path         TEXT NOT NULL,
    read_only    INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    from_ns      INTEGER NOT NULL,
    to_ns        INTEGER
) STRICT;
CREATE INDEX volume_attachments_volume ON volume_attachments (volume_id, from_ns);
CREATE INDEX volume_attachments_container ON volume_attachments (container_id) WHERE to_ns IS NULL;

CREATE TABLE volume_snapshots (
    volume_id  TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    note       TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    PRIMARY KEY (volume_id, name)
) STRICT;
