-- Tokens of other issuers, exchanged for ours.

CREATE TABLE trusted_issuers (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    -- Never changes: another URL is another issuer.
    url TEXT NOT NULL,
    -- JSON array of SHA-256 in hexadecimal; empty when the public authorities decide.
    thumbprints TEXT NOT NULL,
    -- A key set that is never fetched.
    jwks TEXT,
    -- Seconds.
    max_expiration BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES access_tokens (id),
    modified_at BIGINT NOT NULL,
    last_used_at BIGINT,
    deleted_at BIGINT,
    policy_id TEXT NOT NULL UNIQUE,
    -- Counts the changes of the policies.
    policy_version BIGINT NOT NULL,
    -- JSON array, as `trust::policy` reads it.
    policies TEXT NOT NULL,
    policies_modified_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX trusted_issuers_by_url ON trusted_issuers (organization_id, url) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX trusted_issuers_by_name ON trusted_issuers (organization_id, name) WHERE deleted_at IS NULL;

-- Teams and users: names with rights.
CREATE TABLE principals (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    -- team or user.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON array of what it may do with which projects and stacks.
    rights TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES access_tokens (id),
    modified_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE UNIQUE INDEX principals_by_name ON principals (organization_id, kind, name) WHERE deleted_at IS NULL;

-- The team or user whose rights bound the token.
ALTER TABLE access_tokens ADD COLUMN principal_id TEXT REFERENCES principals (id);
ALTER TABLE access_tokens ADD COLUMN runner TEXT;
-- For whom it was exchanged.
ALTER TABLE access_tokens ADD COLUMN trusted_issuer_id TEXT REFERENCES trusted_issuers (id);
-- JSON: issuer, subject and jti of the token that it was exchanged for.
ALTER TABLE access_tokens ADD COLUMN origin TEXT;
-- The same for whoever started the run.
ALTER TABLE runs ADD COLUMN origin TEXT;

-- Every exchange that was decided by policy, to look into and to try other policies on. Never a token.
CREATE TABLE exchanges (
    id TEXT NOT NULL PRIMARY KEY,
    trusted_issuer_id TEXT NOT NULL REFERENCES trusted_issuers (id),
    at BIGINT NOT NULL,
    -- JSON.
    asked TEXT NOT NULL,
    claims TEXT NOT NULL,
    outcome TEXT NOT NULL,
    policy_version BIGINT NOT NULL,
    caller TEXT NOT NULL,
    access_token_id TEXT REFERENCES access_tokens (id)
);

CREATE INDEX exchanges_by_issuer ON exchanges (trusted_issuer_id, id);
CREATE INDEX exchanges_by_outcome ON exchanges (trusted_issuer_id, outcome, id);

-- Tokens that were exchanged and have not expired: each is good for one exchange.
CREATE TABLE used_tokens (
    trusted_issuer_id TEXT NOT NULL REFERENCES trusted_issuers (id),
    -- SHA-256 of the token's jti, or of the token.
    token_hash TEXT NOT NULL,
    -- SHA-256 of the whole request: the same one may be repeated for a while.
    request_hash TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- What it was exchanged for.
    access_token_id TEXT NOT NULL,
    run_id TEXT,
    PRIMARY KEY (trusted_issuer_id, token_hash)
);

CREATE INDEX used_tokens_by_expiry ON used_tokens (expires_at);
