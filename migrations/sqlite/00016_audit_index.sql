-- +goose Up

-- Where the audit journal's records are, by what they are looked for. The journal is what counts: these tables follow it and
-- can be made anew from it ('lodge audit reindex').
CREATE TABLE audit_cursor (
    id     INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    origin TEXT NOT NULL,             -- of the journal
    seq    INTEGER NOT NULL           -- the last record that is in
) STRICT;

CREATE TABLE audit_terms (
    id   INTEGER PRIMARY KEY NOT NULL,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- How often a term stands in a column: a search begins with the rarest.
CREATE TABLE audit_uses (
    field TEXT NOT NULL,
    term  INTEGER NOT NULL,
    uses  INTEGER NOT NULL,
    PRIMARY KEY (field, term)
) STRICT, WITHOUT ROWID;

-- Times of a thousand records each: clocks jump, so numbers don't sort by time.
CREATE TABLE audit_spans (
    block   INTEGER PRIMARY KEY NOT NULL,      -- seq / 1000
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL
) STRICT;

-- Columns without a type in their name are ids of terms. An SQLite index holds the primary key as its last column, so
-- each of these finds the newest first.
CREATE TABLE audit_records (
    seq       INTEGER PRIMARY KEY NOT NULL,
    at_ns     INTEGER NOT NULL,
    segment   INTEGER NOT NULL,       -- number of the first record of its segment
    place     INTEGER NOT NULL,       -- of its frame there, in bytes
    kind      INTEGER NOT NULL,
    outcome   INTEGER NOT NULL,
    verb      INTEGER NOT NULL,
    principal INTEGER NOT NULL,
    subject   INTEGER NOT NULL,
    name      INTEGER NOT NULL,
    project   INTEGER NOT NULL,
    change_id INTEGER NOT NULL
) STRICT;

-- What many records have in common is looked for together: the other columns are in the index, so that a pair that never
-- meets is found out without a look at the rows.
CREATE INDEX audit_records_kind ON audit_records (kind, seq, outcome, verb, principal, project);
CREATE INDEX audit_records_outcome ON audit_records (outcome, seq, kind, verb, principal, project);
CREATE INDEX audit_records_verb ON audit_records (verb, seq, kind, outcome, principal, project);
CREATE INDEX audit_records_principal ON audit_records (principal, seq, kind, outcome, verb, project);
CREATE INDEX audit_records_project ON audit_records (project, seq, kind, outcome, verb, principal);
CREATE INDEX audit_records_subject ON audit_records (subject);
CREATE INDEX audit_records_name ON audit_records (name);
CREATE INDEX audit_records_change ON audit_records (change_id);
