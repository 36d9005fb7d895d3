-- The sum of all migrations. Written by 'go test ./inventory/store -run SchemaGolden -update'.

CREATE TABLE accounts (
    name TEXT PRIMARY KEY NOT NULL,
    id   TEXT NOT NULL UNIQUE
) STRICT;

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

CREATE TABLE addresses (
    id           INTEGER PRIMARY KEY NOT NULL,
    network      TEXT NOT NULL,
    ip           TEXT NOT NULL,
    container_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    project      TEXT NOT NULL,
    from_ns      INTEGER NOT NULL,
    to_ns        INTEGER
) STRICT;

CREATE INDEX addresses_container ON addresses (container_id, from_ns);

CREATE UNIQUE INDEX addresses_held ON addresses (network, ip) WHERE to_ns IS NULL;

CREATE INDEX addresses_ip ON addresses (ip, from_ns);

CREATE TABLE affinities (
    app          TEXT PRIMARY KEY NOT NULL,
    form         TEXT NOT NULL CHECK (form IN ('apart', 'together')),
    prefer       INTEGER NOT NULL CHECK (prefer IN (0, 1)),
    field        TEXT NOT NULL,
    field_values TEXT,                  -- a JSON list
    reason       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_cursor (
    id     INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    origin TEXT NOT NULL,             -- of the journal
    seq    INTEGER NOT NULL           -- the last record that is in
) STRICT;

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

CREATE INDEX audit_records_change ON audit_records (change_id);

CREATE INDEX audit_records_kind ON audit_records (kind, seq, outcome, verb, principal, project);

CREATE INDEX audit_records_name ON audit_records (name);

CREATE INDEX audit_records_outcome ON audit_records (outcome, seq, kind, verb, principal, project);

CREATE INDEX audit_records_principal ON audit_records (principal, seq, kind, outcome, verb, project);

CREATE INDEX audit_records_project ON audit_records (project, seq, kind, outcome, verb, principal);

CREATE INDEX audit_records_subject ON audit_records (subject);

CREATE INDEX audit_records_verb ON audit_records (verb, seq, kind, outcome, principal, project);

CREATE TABLE audit_spans (
    block   INTEGER PRIMARY KEY NOT NULL,      -- seq / 1000
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_terms (
    id   INTEGER PRIMARY KEY NOT NULL,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE audit_uses (
    field TEXT NOT NULL,
    term  INTEGER NOT NULL,
    uses  INTEGER NOT NULL,
    PRIMARY KEY (field, term)
) STRICT, WITHOUT ROWID;

CREATE TABLE "changes" (
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

CREATE INDEX changes_operation ON changes (operation_id);

CREATE INDEX changes_review ON changes (review_ns) WHERE review_ns IS NOT NULL;

CREATE INDEX changes_state ON changes (state, id);

CREATE TABLE container_revisions (
    container_id TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    at_ns        INTEGER NOT NULL,
    verb         TEXT NOT NULL,
    principal    TEXT,
    reason       TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    document     TEXT,                  -- the container as desired from then on
    PRIMARY KEY (container_id, revision)
) STRICT;

CREATE TABLE containers (
    id           TEXT PRIMARY KEY NOT NULL,
    host_id      TEXT NOT NULL REFERENCES hosts (id),
    name         TEXT NOT NULL,
    project      TEXT NOT NULL,
    lxc_name     TEXT NOT NULL,
    owner        TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    environment  TEXT NOT NULL,
    data_class   TEXT NOT NULL,
    labels       TEXT,
    ticket       TEXT NOT NULL,
    image        TEXT NOT NULL,
    image_digest TEXT NOT NULL,
    pool         TEXT NOT NULL,
    settings     TEXT,
    id_base      INTEGER NOT NULL,
    nics         TEXT,
    start_after  TEXT,
    intent       TEXT NOT NULL CHECK (intent IN ('run', 'stop')),
    cpus_milli   INTEGER NOT NULL,      -- reserved against quotas
    memory_bytes INTEGER NOT NULL,
    disk_bytes   INTEGER NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision > 0),
    created_ns   INTEGER NOT NULL,
    updated_ns   INTEGER NOT NULL,
    expires_ns   INTEGER,
    trashed_ns   INTEGER
, devices TEXT, addresses INTEGER NOT NULL DEFAULT 0, privileged INTEGER NOT NULL DEFAULT 0 CHECK (privileged IN (0, 1)), nested INTEGER NOT NULL DEFAULT 0 CHECK (nested IN (0, 1)), run_until_ns INTEGER) STRICT;

CREATE UNIQUE INDEX containers_id_base ON containers (host_id, id_base) WHERE id_base <> 0;

CREATE INDEX containers_leased ON containers (host_id) WHERE expires_ns IS NOT NULL OR run_until_ns IS NOT NULL;

CREATE UNIQUE INDEX containers_lxc_name ON containers (host_id, lxc_name);

CREATE UNIQUE INDEX containers_name ON containers (project, name);

CREATE INDEX containers_owner ON containers (owner);

CREATE TABLE deadlines (
    id           TEXT PRIMARY KEY NOT NULL,
    due_ns       INTEGER NOT NULL,
    verb         TEXT NOT NULL,
    container_id TEXT NOT NULL,
    args         TEXT,
    principal    TEXT,
    missed       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    done_ns      INTEGER,
    outcome      TEXT NOT NULL
) STRICT;

CREATE INDEX deadlines_container ON deadlines (container_id, due_ns);

CREATE INDEX deadlines_waiting ON deadlines (due_ns) WHERE done_ns IS NULL;

CREATE TABLE dns_records (
    name         TEXT NOT NULL,         -- below the domain; empty for the domain itself
    type         TEXT NOT NULL,
    data         TEXT NOT NULL,
    ttl          INTEGER NOT NULL CHECK (ttl > 0),
    reason       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    PRIMARY KEY (name, type, data)
) STRICT;

CREATE TABLE events (
    host_id      TEXT NOT NULL REFERENCES hosts (id),
    seq          INTEGER NOT NULL,
    at_ns        INTEGER NOT NULL,
    type         TEXT NOT NULL,
    container_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    project      TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    data         TEXT,
    PRIMARY KEY (host_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE firewall_rules (
    id         TEXT PRIMARY KEY NOT NULL,
    action     TEXT NOT NULL CHECK (action IN ('allow', 'deny')),
    from_end   TEXT NOT NULL,
    to_end     TEXT NOT NULL,
    ports      TEXT NOT NULL,
    expires_ns INTEGER,
    reason     TEXT NOT NULL,
    created_ns INTEGER NOT NULL
, log INTEGER NOT NULL DEFAULT 0 CHECK (log IN (0, 1))) STRICT;

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

CREATE TABLE hosts (
    id                TEXT PRIMARY KEY NOT NULL,
    name              TEXT NOT NULL,
    machine_id        TEXT NOT NULL UNIQUE,
    settings          TEXT,             -- {"name": "value"}
    settings_revision INTEGER NOT NULL,
    created_ns        INTEGER NOT NULL
) STRICT;

CREATE TABLE image_aliases (
    alias  TEXT PRIMARY KEY NOT NULL,
    digest TEXT NOT NULL REFERENCES images (digest) ON DELETE CASCADE
) STRICT;

CREATE INDEX image_aliases_digest ON image_aliases (digest);

CREATE TABLE image_remotes (
    name       TEXT PRIMARY KEY NOT NULL,
    url        TEXT NOT NULL,
    key        TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE images (
    digest       TEXT PRIMARY KEY NOT NULL,
    os           TEXT NOT NULL,
    release      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    source       TEXT NOT NULL,
    packages     TEXT,
    build        TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    expires_ns   INTEGER
, init TEXT NOT NULL DEFAULT '', init_version INTEGER NOT NULL DEFAULT 0, cloud_init INTEGER NOT NULL DEFAULT 0 CHECK (cloud_init IN (0, 1))) STRICT;

CREATE TABLE lease_warnings (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    clock        TEXT NOT NULL CHECK (clock IN ('run', 'keep')),
    until_ns     INTEGER NOT NULL,      -- the end it is about
    before_ns    INTEGER NOT NULL,      -- how long before that end it is due, nanoseconds
    at_ns        INTEGER NOT NULL,
    PRIMARY KEY (container_id, clock, until_ns, before_ns)
) STRICT;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE "networks" (
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

CREATE UNIQUE INDEX networks_bridge ON networks (bridge) WHERE type <> 'routed';

CREATE TABLE operation_keys (
    principal    TEXT NOT NULL,
    verb         TEXT NOT NULL,
    key          TEXT NOT NULL,
    operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    at_ns        INTEGER NOT NULL,
    PRIMARY KEY (principal, verb, key)
) STRICT;

CREATE INDEX operation_keys_operation ON operation_keys (operation_id);

CREATE TABLE operations (
    id              TEXT PRIMARY KEY NOT NULL,
    host_id         TEXT NOT NULL REFERENCES hosts (id),
    verb            TEXT NOT NULL,
    subject         TEXT NOT NULL,
    exclusive       INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    container_id    TEXT NOT NULL,
    name            TEXT NOT NULL,
    project         TEXT NOT NULL,
    principal       TEXT,
    reason          TEXT NOT NULL,
    ticket          TEXT NOT NULL,
    change_id       TEXT NOT NULL,
    key             TEXT NOT NULL,
    state           TEXT NOT NULL
        CHECK (state IN ('running', 'undoing', 'done', 'failed', 'cancelled')),
    steps           TEXT,
    step            INTEGER NOT NULL,
    progress        TEXT NOT NULL,
    percent         INTEGER NOT NULL,
    args            TEXT,
    data            TEXT,
    before          TEXT,
    after           TEXT,
    reserved_before TEXT,               -- the reservation to go back to, if this one changed it
    plan            TEXT NOT NULL,
    error           TEXT NOT NULL,
    kind            TEXT NOT NULL,
    result          TEXT,
    cancel_asked    INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)),
    started_ns      INTEGER NOT NULL,
    updated_ns      INTEGER NOT NULL,
    ended_ns        INTEGER,
    CHECK ((ended_ns IS NULL) = (state IN ('running', 'undoing')))
) STRICT;

CREATE INDEX operations_container ON operations (container_id, id);

CREATE INDEX operations_ended ON operations (ended_ns) WHERE ended_ns IS NOT NULL;

CREATE UNIQUE INDEX operations_exclusive ON operations (subject)
    WHERE ended_ns IS NULL AND exclusive = 1;

CREATE INDEX operations_subject ON operations (subject) WHERE ended_ns IS NULL;

CREATE INDEX operations_unfinished ON operations (host_id, started_ns) WHERE ended_ns IS NULL;

CREATE TABLE policy_expectations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    as_whom     TEXT NOT NULL,          -- a user, role:ROLE, group:GROUP
    verb        TEXT NOT NULL,
    target      TEXT NOT NULL,          -- a container, or facts; '' for the host
    want        TEXT NOT NULL CHECK (want IN ('allow', 'deny', 'hold', 'pass')),
    note        TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_ns  INTEGER NOT NULL,
    UNIQUE (as_whom, verb, target)
) STRICT;

CREATE TABLE policy_versions (
    version      INTEGER PRIMARY KEY NOT NULL,
    text         TEXT NOT NULL,         -- Cedar; empty for none
    policies     INTEGER NOT NULL,      -- how many there are
    sha256       TEXT NOT NULL,         -- of the text
    operation_id TEXT NOT NULL UNIQUE,  -- which wrote it
    change_id    TEXT NOT NULL,         -- which others agreed to; '' if it was not held
    principal    TEXT NOT NULL,         -- name
    reason       TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    created_ns   INTEGER NOT NULL
) STRICT;

CREATE TABLE pools (
    host_id      TEXT NOT NULL REFERENCES hosts (id),
    name         TEXT NOT NULL,
    driver       TEXT NOT NULL CHECK (driver IN ('btrfs', 'dir')),
    source       TEXT NOT NULL,         -- the folder it was given; '' for one below the agent's root
    size_bytes   INTEGER NOT NULL,      -- asked for when it was made; 0 for the driver's choice
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    scrubbed_ns  INTEGER,
    scrub_errors INTEGER NOT NULL,
    created_ns   INTEGER NOT NULL,
    PRIMARY KEY (host_id, name)
) STRICT;

CREATE UNIQUE INDEX pools_default ON pools (host_id) WHERE is_default = 1;

CREATE TABLE projects (
    name       TEXT PRIMARY KEY NOT NULL,
    purpose    TEXT NOT NULL,
    owner      TEXT NOT NULL,
    members    TEXT,                    -- [{"principal", "role"}]
    settings   TEXT,                    -- {"name": "value"}, inherited by the containers
    network    TEXT NOT NULL,           -- '' for the host's default
    image      TEXT NOT NULL,           -- '' for none
    revision   INTEGER NOT NULL CHECK (revision > 0),
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE "quotas" (
    scope  TEXT NOT NULL CHECK (scope IN ('project', 'owner', 'environment')),
    holder TEXT NOT NULL,               -- the name; project '*' is the whole host
    name   TEXT NOT NULL CHECK (name IN ('containers', 'cpus', 'memory', 'disk', 'addresses', 'privileged', 'nested')),
    max    INTEGER NOT NULL CHECK (max >= 0),  -- a number, thousandths of a CPU, or bytes
    PRIMARY KEY (scope, holder, name)
) STRICT;

CREATE TABLE role_bindings (
    id         TEXT PRIMARY KEY NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'owner', 'approver', 'auditor', 'admin')),
    user_id    TEXT NOT NULL,             -- one of the two is ''
    group_id   TEXT NOT NULL,
    extent     TEXT NOT NULL,             -- host, project:NAME, container:ID, selector:FILTER
    expires_ns INTEGER,
    reason     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    CHECK ((user_id = '') <> (group_id = ''))
) STRICT;

CREATE TABLE secrets (
    name       TEXT PRIMARY KEY NOT NULL,
    note       TEXT NOT NULL,
    sealed     TEXT NOT NULL,             -- base64 of an age file
    uses       TEXT,                      -- a JSON list of who has read it, and when last
    revision   INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY NOT NULL,
    kind         TEXT NOT NULL,
    container_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    project      TEXT NOT NULL,
    principal    TEXT,
    command      TEXT NOT NULL,
    tty          INTEGER NOT NULL CHECK (tty IN (0, 1)),
    holder_pid   INTEGER NOT NULL,
    started_ns   INTEGER NOT NULL,
    ended_ns     INTEGER,
    exit_code    INTEGER NOT NULL,
    result       TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_container ON sessions (container_id, started_ns);

CREATE INDEX sessions_open ON sessions (started_ns) WHERE ended_ns IS NULL;

CREATE INDEX sessions_started ON sessions (started_ns);

CREATE TABLE snapshots (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    note         TEXT NOT NULL,
    running      INTEGER NOT NULL CHECK (running IN (0, 1)),
    pinned       INTEGER NOT NULL CHECK (pinned IN (0, 1)),
    created_ns   INTEGER NOT NULL,
    expires_ns   INTEGER,
    config       TEXT,
    PRIMARY KEY (container_id, name)
) STRICT;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id),
    rights     TEXT,                      -- a JSON list
    extent     TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    expires_ns INTEGER,
    used_ns    INTEGER,
    revoked_ns INTEGER,
    created_by TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE user_groups (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL UNIQUE REFERENCES accounts (name),
    note       TEXT NOT NULL,
    members    TEXT,                      -- a JSON list of {"user": ID} and {"group": ID}
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE user_keys (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id),
    type        TEXT NOT NULL,
    bits        INTEGER NOT NULL,
    comment     TEXT NOT NULL,
    line        TEXT NOT NULL,
    created_ns  INTEGER NOT NULL
) STRICT;

CREATE TABLE user_uids (
    uid     INTEGER PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id)
) STRICT;

CREATE TABLE users (
    id          TEXT PRIMARY KEY NOT NULL,
    name        TEXT NOT NULL UNIQUE REFERENCES accounts (name),
    note        TEXT NOT NULL,
    disabled_ns INTEGER,
    created_ns  INTEGER NOT NULL
) STRICT;

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

CREATE INDEX volume_attachments_container ON volume_attachments (container_id) WHERE to_ns IS NULL;

CREATE INDEX volume_attachments_volume ON volume_attachments (volume_id, from_ns);

CREATE TABLE volume_snapshots (
    volume_id  TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    note       TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    PRIMARY KEY (volume_id, name)
) STRICT;

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

CREATE TABLE windows (
    name       TEXT PRIMARY KEY NOT NULL,
    schedule   TEXT NOT NULL,           -- hours of the week with their time zone, or "always"
    from_ns    INTEGER,
    until_ns   INTEGER,
    filter     TEXT NOT NULL,           -- "" is every container
    verbs      TEXT,                    -- a JSON list; none is whatever changes a container
    freeze     INTEGER NOT NULL CHECK (freeze IN (0, 1)),
    reason     TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;
