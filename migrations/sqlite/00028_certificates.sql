-- +goose Up

-- Certificates that this host has signed for users. A row is written before anybody has the signature, and
-- goes some time after the certificate's own.
CREATE TABLE ssh_certificates (
    serial      INTEGER PRIMARY KEY NOT NULL,
    key_id      TEXT NOT NULL,
    user_id     TEXT NOT NULL,             -- who may be gone since
    fingerprint TEXT NOT NULL,             -- of the key it is for
    principals  TEXT,                      -- a JSON list
    authority   TEXT NOT NULL,             -- the public key that signed it
    from_ns     INTEGER NOT NULL,
    until_ns    INTEGER NOT NULL,
    revoked_ns  INTEGER,
    revoked_by  TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

CREATE INDEX ssh_certificates_of_user ON ssh_certificates (user_id, until_ns);

-- Keys that tell nobody any more, whoever has them. For good.
CREATE TABLE ssh_revoked_keys (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    user_id     TEXT NOT NULL,             -- whose it was; '' if nobody's
    reason      TEXT NOT NULL,
    revoked_by  TEXT NOT NULL,
    revoked_ns  INTEGER NOT NULL
) STRICT;
