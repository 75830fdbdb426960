-- One schema for SQLite and PostgreSQL: TEXT and BIGINT only. Times are milliseconds since 1970 UTC,
-- ids are UUIDs in text, JSON is text.

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    -- Kept after deletion, so that a name is never handed out again.
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- NULL for role admin.
    organization_id TEXT REFERENCES organizations (id),
    created_by TEXT REFERENCES access_tokens (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX access_tokens_by_organization ON access_tokens (organization_id, id);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    service TEXT NOT NULL,
    attributes TEXT NOT NULL,
    -- What its tokens say, fixed at registration.
    subject TEXT NOT NULL,
    claims TEXT NOT NULL,
    -- JSON array, or NULL when any audience may be asked for.
    audiences TEXT,
    state TEXT NOT NULL,
    request_token_hash TEXT NOT NULL UNIQUE,
    started_by TEXT NOT NULL REFERENCES access_tokens (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT REFERENCES access_tokens (id)
);

CREATE INDEX runs_by_organization ON runs (organization_id, id);

-- Every token that was signed, written before it leaves.
CREATE TABLE id_tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    minted_at BIGINT NOT NULL,
    run_id TEXT NOT NULL REFERENCES runs (id),
    organization_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    subject TEXT NOT NULL,
    kid TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    caller TEXT NOT NULL
);

CREATE INDEX id_tokens_by_run ON id_tokens (run_id, jti);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    -- next, active, previous, removed or revoked.
    state TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    -- NULL once the private half is destroyed.
    sealed_private TEXT,
    sealing_key_id TEXT,
    created_at BIGINT NOT NULL,
    published_at BIGINT,
    activated_at BIGINT
);

-- Exactly one key signs for an algorithm.
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (algorithm) WHERE state = 'active';
