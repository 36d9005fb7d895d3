-- +goose Up

-- A change has a number of its host, follows its operation's end, and may be scheduled, signed and
-- reviewed.
CREATE TABLE changes_new (
    id           TEXT PRIMARY KEY NOT NULL,
    host_id      TEXT NOT NULL,
    number       INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'scheduled', 'running', 'done', 'failed',
                                                'rolled-back', 'closed', 'rejected', 'cancelled', 'expired', 'void')),
    class        TEXT NOT NULL CHECK (class IN ('standard', 'normal', 'emergency')),
    verb         TEXT NOT NULL,         -- of the plan
    container_id TEXT NOT NULL,         -- of the plan
    name         TEXT NOT NULL,
    project      TEXT NOT NULL,
    environment  TEXT NOT NULL,
    plan         TEXT,
    request      TEXT,
    key          TEXT NOT NULL,         -- the request's idempotency key
    requester    TEXT,
    reason       TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    needs        TEXT,
    missing      TEXT,
    approvals    TEXT,
    operation_id TEXT NOT NULL,
    note         TEXT NOT NULL,
    release_ns   INTEGER,
    deadline_id  TEXT NOT NULL,         -- which waits for release_ns
    review       TEXT,
    review_ns    INTEGER,               -- when an open review is due
    created_ns   INTEGER NOT NULL,
    submitted_ns INTEGER,
    decided_ns   INTEGER,
    UNIQUE (host_id, number)
) STRICT;

INSERT INTO changes_new
SELECT c.id, h.id, row_number() OVER (ORDER BY c.id), 1,
       CASE WHEN c.state <> 'released' THEN c.state
            WHEN o.state = 'failed' THEN 'failed'
            WHEN o.state = 'cancelled' THEN 'rolled-back'
            WHEN o.state IN ('running', 'undoing') THEN 'running'
            ELSE 'done' END,
       'normal', c.verb, c.container_id, coalesce(o.name, k.name, ''), coalesce(o.project, k.project, ''),
       coalesce(k.environment, ''), c.plan, c.request, '', c.requester, c.reason, c.ticket, c.needs, NULL, c.approvals,
       c.operation_id, c.note, NULL, '', NULL, NULL, c.created_ns, c.created_ns, c.decided_ns
FROM changes c CROSS JOIN (SELECT id FROM hosts ORDER BY created_ns LIMIT 1) h
     LEFT JOIN operations o ON o.id = c.operation_id
     LEFT JOIN containers k ON k.id = c.container_id;

DROP TABLE changes;
ALTER TABLE changes_new RENAME TO changes;
CREATE INDEX changes_state ON changes (state, id);
CREATE INDEX changes_operation ON changes (operation_id);
CREATE INDEX changes_review ON changes (review_ns) WHERE review_ns IS NOT NULL;
