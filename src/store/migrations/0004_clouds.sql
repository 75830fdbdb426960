-- What relying parties need: each version of a document is a row that never changes.

CREATE TABLE audience_profiles (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    -- From 1. Before the first there are none.
    version BIGINT NOT NULL,
    -- JSON object, as `issuer::profile` reads it.
    profiles TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES access_tokens (id),
    PRIMARY KEY (organization_id, version)
);

CREATE TABLE cloud_settings (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    version BIGINT NOT NULL,
    -- JSON array, as `clouds::settings` reads it.
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES access_tokens (id),
    PRIMARY KEY (organization_id, version)
);

-- 1 once a profile wanted ES256. Runs of that version may go on after a later one wants it no more.
ALTER TABLE organizations ADD COLUMN es256_too BIGINT NOT NULL DEFAULT 0;

-- The profiles that a run's tokens go by. NULL: there were none when it started.
ALTER TABLE runs ADD COLUMN profiles_version BIGINT;
-- JSON: what the templates of profiles may name, where there are profiles.
ALTER TABLE runs ADD COLUMN template_values TEXT;
-- JSON: settings of clouds, as they were when it started. NULL where there were none.
ALTER TABLE runs ADD COLUMN cloud TEXT;

-- The template that made the subject. NULL: the service's own.
ALTER TABLE id_tokens ADD COLUMN subject_format TEXT;
