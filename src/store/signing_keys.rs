//! Signing keys as they are recorded: the public half in the clear, what the private half needs to be
//! opened, and the times of its life.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::signing_key::{KeyWish, SigningKeyRecord, Which};
use crate::issuer::organization_name::OrganizationName;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::rotation::KeyLife;

impl Store {
    /// Keys in the order in which they were made, and the revision that they are at least as new as.
    pub async fn signing_keys(&self, which: Which) -> Result<(i64, Vec<SigningKeyRecord>), StoreError> {
        self.pass()?;
        // The revision first: a change between the two reads only makes the next look read again.
        let row = sqlx::query("SELECT revision FROM key_revision WHERE id = 1").fetch_one(&self.read).await?;
        let revision = row.integer("revision")?;
        let rows = sqlx::query(
            "SELECT kid, issuer, algorithm, public_jwk, kept_in, private_key, attestation, created_at, published_at,
                signs_from, signs_until, removed_at, revoked_at, kept_until, revoked_by, signatures, last_fetched_at,
                CASE WHEN private_key IS NULL THEN 0 ELSE 1 END AS has_private_half
             FROM signing_keys
             WHERE $1 = 1 OR (removed_at IS NULL AND revoked_at IS NULL) OR private_key IS NOT NULL
             ORDER BY created_at, COALESCE(signs_from, 9223372036854775807), kid",
        )
        .bind(i64::from(which == Which::All))
        .fetch_all(&self.read)
        .await?;
        Ok((revision, rows.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Whether this key is recorded as taken out of the key set, on purpose.
    pub async fn was_taken_out(&self, kid: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM signing_keys WHERE kid = $1 AND (removed_at IS NOT NULL OR revoked_at IS NOT NULL)";
        Ok(sqlx::query(sql).bind(kid).fetch_optional(&self.read).await?.is_some())
    }

    /// What organizations want beyond the shared issuer's RS256. Deleted ones for as long as their issuer
    /// has published keys.
    pub async fn key_wishes(&self) -> Result<Vec<KeyWish>, StoreError> {
        self.pass()?;
        let rows = sqlx::query(
            "SELECT id, name, own_issuer, algorithm, es256_too, CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END AS deleted
             FROM organizations o WHERE (own_issuer = 1 OR algorithm <> 'RS256' OR es256_too = 1) AND (deleted_at IS NULL OR EXISTS (
                SELECT 1 FROM signing_keys k WHERE k.issuer = o.id AND k.removed_at IS NULL AND k.revoked_at IS NULL))
             ORDER BY id",
        )
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let algorithm = row.text("algorithm")?;
                Ok(KeyWish {
                    organization_id: row.uuid("id")?,
                    organization: OrganizationName::parse(&row.text("name")?)
                        .map_err(|error| corrupt("name", &error))?,
                    own_issuer: row.integer("own_issuer")? == 1,
                    algorithm: SigningAlgorithm::parse(&algorithm)
                        .ok_or_else(|| corrupt("algorithm", &algorithm))?,
                    es256_too: row.integer("es256_too")? == 1,
                    deleted: row.integer("deleted")? == 1,
                })
            })
            .collect()
    }

    /// Vouches for a key that was made before there were attestations.
    pub async fn attest_key(&self, kid: &str, attestation: &str) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET attestation = $1 WHERE kid = $2 AND attestation IS NULL AND revoked_at IS NULL";
        sqlx::query(sql).bind(attestation.to_owned()).bind(kid.to_owned()).execute(&self.write).await?;
        Ok(())
    }

    /// Adds to what is known of a key's use.
    pub async fn record_key_use(
        &self,
        kid: &str,
        signatures: i64,
        fetched_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET signatures = signatures + $1,
                       last_fetched_at = CASE WHEN COALESCE(last_fetched_at, 0) < $2 THEN $2 ELSE last_fetched_at END
                   WHERE kid = $3";
        sqlx::query(sql)
            .bind(signatures)
            .bind(fetched_at.map_or(0, Timestamp::as_millisecond))
            .bind(kid.to_owned())
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<SigningKeyRecord, StoreError> {
    let kid = row.text("kid")?;
    let public_jwk = row.text("public_jwk")?;
    Ok(SigningKeyRecord {
        ring: ring_of(row)?,
        life: life_of(row)?,
        public_jwk: serde_json::from_str(&public_jwk)
            .map_err(|error| corrupt(&format!("public_jwk of {kid}"), &error))?,
        kept_in: row.text("kept_in")?,
        private_key: row.optional_text("private_key")?,
        attestation: row.optional_text("attestation")?,
        created_at: row.time("created_at")?,
        signatures: row.integer("signatures")?,
        last_fetched_at: row.optional_time("last_fetched_at")?,
        revoked_by: row.optional_uuid("revoked_by")?,
        kid,
    })
}

pub(super) fn ring_of(row: &AnyRow) -> Result<RingId, StoreError> {
    let (issuer, algorithm) = (row.text("issuer")?, row.text("algorithm")?);
    Ok(RingId {
        issuer: IssuerId::parse(&issuer).ok_or_else(|| corrupt("issuer", &issuer))?,
        algorithm: SigningAlgorithm::parse(&algorithm).ok_or_else(|| corrupt("algorithm", &algorithm))?,
    })
}

pub(super) fn life_of(row: &AnyRow) -> Result<KeyLife, StoreError> {
    Ok(KeyLife {
        published_at: row.time("published_at")?,
        signs_from: row.optional_time("signs_from")?,
        signs_until: row.optional_time("signs_until")?,
        removed_at: row.optional_time("removed_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        kept_until: row.optional_time("kept_until")?,
        has_private_half: row.integer("has_private_half")? == 1,
    })
}
