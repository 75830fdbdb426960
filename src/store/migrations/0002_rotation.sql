-- Keys that follow one another. What a key is at a moment follows from its times.

-- 1 for an organization with an issuer of its own.
ALTER TABLE organizations ADD COLUMN own_issuer BIGINT NOT NULL DEFAULT 0;
-- What its tokens are signed with, where the audience does not decide.
ALTER TABLE organizations ADD COLUMN algorithm TEXT NOT NULL DEFAULT 'RS256';

DROP INDEX signing_keys_one_active;
-- 'shared', or the id of the organization whose issuer it belongs to.
ALTER TABLE signing_keys ADD COLUMN issuer TEXT NOT NULL DEFAULT 'shared';
-- Where the private half is: database, pkcs11 or aws-kms.
ALTER TABLE signing_keys ADD COLUMN kept_in TEXT NOT NULL DEFAULT 'database';
ALTER TABLE signing_keys RENAME COLUMN sealed_private TO private_key;
-- By whom the public half is vouched for.
ALTER TABLE signing_keys ADD COLUMN attestation TEXT;
ALTER TABLE signing_keys ADD COLUMN signs_from BIGINT;
ALTER TABLE signing_keys ADD COLUMN signs_until BIGINT;
-- Published at least so long.
ALTER TABLE signing_keys ADD COLUMN kept_until BIGINT;
ALTER TABLE signing_keys ADD COLUMN removed_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN revoked_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN revoked_by TEXT REFERENCES access_tokens (id);
ALTER TABLE signing_keys ADD COLUMN signatures BIGINT NOT NULL DEFAULT 0;
-- When a verifier last asked for a key set with it.
ALTER TABLE signing_keys ADD COLUMN last_fetched_at BIGINT;

UPDATE signing_keys SET
    published_at = COALESCE(published_at, created_at),
    private_key = sealing_key_id || '.' || private_key,
    signs_from = CASE WHEN state = 'active' THEN COALESCE(activated_at, created_at) ELSE activated_at END,
    signs_until = CASE WHEN state IN ('active', 'next') THEN NULL ELSE
        COALESCE((SELECT MAX(t.minted_at) FROM id_tokens t WHERE t.kid = signing_keys.kid), activated_at, created_at)
    END,
    removed_at = CASE WHEN state = 'removed' THEN created_at END,
    revoked_at = CASE WHEN state = 'revoked' THEN created_at END,
    signatures = (SELECT COUNT(*) FROM id_tokens t WHERE t.kid = signing_keys.kid);

ALTER TABLE signing_keys DROP COLUMN state;
ALTER TABLE signing_keys DROP COLUMN activated_at;
ALTER TABLE signing_keys DROP COLUMN sealing_key_id;

-- One key signs, and one waits, for each issuer and algorithm.
CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys (issuer, algorithm)
    WHERE signs_from IS NOT NULL AND signs_until IS NULL;
CREATE UNIQUE INDEX signing_keys_one_waits ON signing_keys (issuer, algorithm)
    WHERE signs_from IS NULL AND signs_until IS NULL AND removed_at IS NULL AND revoked_at IS NULL;

-- Counts the changes of keys: who reads the same number twice need not read the keys again. Every change
-- begins by counting, so that changes stand in a row.
CREATE TABLE key_revision (
    id BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO key_revision (id, revision) VALUES (1, 1);

-- The processes that serve. One whose lease ran out is not waited for.
CREATE TABLE replicas (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The sealing keys that it can open with, separated by spaces.
    sealing_keys TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- Since when a process serves a key in its key set.
CREATE TABLE key_servings (
    kid TEXT NOT NULL REFERENCES signing_keys (kid),
    -- A replica, or the URL of a static copy.
    served_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (kid, served_by)
);

-- Key sets that somebody uploaded to a verifier, which does not fetch them itself.
CREATE TABLE snapshot_verifiers (
    id TEXT NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES access_tokens (id),
    UNIQUE (issuer, name)
);

CREATE TABLE snapshot_acknowledgements (
    verifier_id TEXT NOT NULL REFERENCES snapshot_verifiers (id),
    kid TEXT NOT NULL REFERENCES signing_keys (kid),
    acknowledged_at BIGINT NOT NULL,
    acknowledged_by TEXT NOT NULL REFERENCES access_tokens (id),
    PRIMARY KEY (verifier_id, kid)
);

-- Static copies of the documents, and who writes them at the moment.
CREATE TABLE publications (
    target TEXT NOT NULL PRIMARY KEY,
    -- Until then rotation waits for it, unless a process that has it in its configuration says so again.
    wanted_until BIGINT NOT NULL,
    -- The revision that was written and read back.
    revision BIGINT,
    written_at BIGINT,
    claimed_by TEXT,
    claimed_until BIGINT NOT NULL DEFAULT 0
);
