//! Changes of the keys. Each is one transaction that begins by counting the revision up: so changes
//! happen one after another, whichever process makes them, and every process sees that it must read the keys.

mod change;
mod key_to_publish;
mod promotion;
mod revocation;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

pub use self::key_to_publish::KeyToPublish;
use super::row::corrupt;
use super::{Store, StoreError};
use crate::signing::rotation::RotationPolicy;

impl Store {
    /// Publishes a key that waits for its turn. `false` when one waits already: processes may race.
    pub async fn publish_next_key(&self, key: KeyToPublish) -> Result<bool, StoreError> {
        self.change_keys(|change| Box::pin(async move { change.insert(&key, None).await })).await
    }

    /// Publishes the first keys of issuers that no verifier trusts yet: they sign at once. `false` when another
    /// process was first.
    pub async fn publish_first_keys(&self, keys: Vec<KeyToPublish>) -> Result<bool, StoreError> {
        self.change_keys(|change| Box::pin(async move { change.insert_first(&keys).await })).await
    }

    /// Whether the key will never sign again, by the database's clock and whatever a process believes. What
    /// is so once stays so: an end that has passed is not taken back.
    pub async fn has_signed_its_last(&self, kid: &str, policy: &RotationPolicy) -> Result<bool, StoreError> {
        self.pass()?;
        let sql = format!("SELECT 1 AS one FROM signing_keys WHERE kid = $1 AND {}", self.over(policy));
        let found = sqlx::query(AssertSqlSafe(sql)).bind(kid.to_owned()).fetch_optional(&self.write).await?;
        Ok(found.is_some())
    }

    /// Records that the private half of a key that will never sign again is destroyed.
    pub async fn forget_private_key(&self, kid: String, policy: &RotationPolicy) -> Result<(), StoreError> {
        let sql =
            format!("UPDATE signing_keys SET private_key = NULL WHERE kid = $1 AND {}", self.over(policy));
        self.change_keys(move |change| {
            Box::pin(async move { change.execute(sqlx::query(AssertSqlSafe(sql)).bind(kid)).await.map(drop) })
        })
        .await
    }

    fn over(&self, policy: &RotationPolicy) -> String {
        let (now, grace) = (self.now_sql(), policy.timing.grace().as_millis());
        format!("(revoked_at IS NOT NULL OR removed_at IS NOT NULL OR signs_until + {grace} <= {now})")
    }

    /// Takes a key that signs no more out of the key set.
    pub async fn remove_key(&self, kid: String, policy: RotationPolicy) -> Result<bool, StoreError> {
        self.change_keys(move |change| {
            Box::pin(async move {
                let latest_end = (change.now - policy.keep_published).as_millisecond();
                let sql = "UPDATE signing_keys SET removed_at = $1
                           WHERE kid = $2 AND signs_until <= $3 AND removed_at IS NULL AND revoked_at IS NULL
                             AND (kept_until IS NULL OR kept_until <= $1)";
                let now = change.now.as_millisecond();
                change.keep_if_one(sqlx::query(sql).bind(now).bind(kid).bind(latest_end)).await
            })
        })
        .await
    }

    /// Puts the same private key under another seal, if it is still as it was read.
    pub async fn reseal_key(
        &self,
        kid: String,
        from: Option<String>,
        to: Option<String>,
        attestation: String,
    ) -> Result<bool, StoreError> {
        self.change_keys(move |change| {
            Box::pin(async move {
                let sql = "UPDATE signing_keys SET private_key = $1, attestation = $2
                           WHERE kid = $3 AND COALESCE(private_key, '') = COALESCE(CAST($4 AS TEXT), '')";
                change.keep_if_one(sqlx::query(sql).bind(to).bind(attestation).bind(kid).bind(from)).await
            })
        })
        .await
    }

    /// Takes keys that can no longer be opened out of the key set, and lets `waiting` and `made` sign at
    /// once. Changes nothing while processes serve, and returns their names.
    pub async fn abandon_keys(
        &self,
        lost: Vec<String>,
        waiting: Vec<String>,
        made: Vec<KeyToPublish>,
    ) -> Result<Vec<String>, StoreError> {
        self.change_keys(move |change| {
            Box::pin(async move {
                let now = change.now.as_millisecond();
                let sql = "SELECT name FROM replicas WHERE lease_until > $1 ORDER BY name";
                let serving = change.names(sqlx::query(sql).bind(now)).await?;
                if !serving.is_empty() {
                    change.keep = false;
                    return Ok(serving);
                }
                for kid in lost {
                    let sql = "UPDATE signing_keys SET private_key = NULL, signs_until = COALESCE(signs_until, $1), removed_at = $1
                               WHERE kid = $2 AND removed_at IS NULL";
                    change.execute(sqlx::query(sql).bind(now).bind(kid)).await?;
                }
                for kid in waiting {
                    change.begin(&kid, change.now).await?;
                }
                for key in made {
                    if !change.insert(&key, Some(change.now)).await? {
                        return Err(corrupt("signing_keys", &"another key signs already"));
                    }
                }
                Ok(Vec::new())
            })
        })
        .await
    }

    /// Ends an issuer whose organization is gone: its key signs no more, and the one in waiting leaves.
    pub async fn end_issuer(&self, organization: Uuid) -> Result<(), StoreError> {
        self.change_keys(move |change| {
            Box::pin(async move {
                let now = change.now.as_millisecond();
                let sql = "UPDATE signing_keys SET signs_until = $1
                           WHERE issuer = $2 AND signs_from <= $1 AND (signs_until IS NULL OR signs_until > $1)";
                change.execute(sqlx::query(sql).bind(now).bind(organization.to_string())).await?;
                let sql = "UPDATE signing_keys SET removed_at = $1
                           WHERE issuer = $2 AND (signs_from IS NULL OR signs_from > $1) AND removed_at IS NULL AND revoked_at IS NULL";
                change.execute(sqlx::query(sql).bind(now).bind(organization.to_string())).await.map(drop)
            })
        })
        .await
    }
}
