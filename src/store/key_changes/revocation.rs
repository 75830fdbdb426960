//! Revoking a compromised key.

use jiff::Timestamp;
use uuid::Uuid;

use super::change::KeyChange;
use super::key_to_publish::KeyToPublish;
use crate::domain::signing_key::Revocation;
use crate::signing::rotation::{KeyLife, RotationPolicy, emergency_start};
use crate::store::signing_keys::ring_of;
use crate::store::{Engine, Store, StoreError};

impl Store {
    /// Takes the key out of service for good; the one that waits takes over as soon as it is warm, and
    /// `fresh` waits then. When this returns, no further token of the key is recorded.
    pub async fn revoke_key(
        &self,
        kid: String,
        policy: RotationPolicy,
        by: Uuid,
        fresh: Option<KeyToPublish>,
    ) -> Result<Revocation, StoreError> {
        let engine = self.engine;
        self.change_keys(move |change| {
            Box::pin(async move {
                if engine == Engine::Postgres {
                    // Waits for the records of its tokens that are on their way to be committed, and for
                    // nothing else; those that begin later see the revocation. SQLite has one writer.
                    let sql = "SELECT kid FROM signing_keys WHERE kid = $1 FOR UPDATE";
                    change.execute(sqlx::query(sql).bind(kid.clone())).await?;
                }
                change.revoke(&kid, &policy, by, fresh.as_ref()).await
            })
        })
        .await
    }
}

impl KeyChange<'_> {
    async fn revoke(
        &mut self,
        kid: &str,
        policy: &RotationPolicy,
        by: Uuid,
        fresh: Option<&KeyToPublish>,
    ) -> Result<Revocation, StoreError> {
        self.keep = false;
        let sql = "SELECT issuer, algorithm FROM signing_keys WHERE kid = $1";
        let row = sqlx::query(sql).bind(kid.to_owned()).fetch_optional(&mut *self.transaction).await?;
        let Some(row) = row else { return Ok(Revocation::NoSuchKey) };
        let ring = ring_of(&row)?;
        let keys = self.ring_with_history(ring).await?;
        let Some((_, revoked)) = keys.iter().find(|(one, _)| one == kid) else {
            return Ok(Revocation::NoSuchKey);
        };
        if let Some(at) = revoked.revoked_at {
            return Ok(Revocation::Already(at));
        }
        if !revoked.is_published() {
            return Ok(Revocation::NotPublished);
        }
        let at = self.now;
        let sql = "UPDATE signing_keys SET revoked_at = $1, revoked_by = $2, attestation = NULL,
                       signs_until = CASE WHEN signs_from IS NOT NULL AND (signs_until IS NULL OR signs_until > $1) THEN $1 ELSE signs_until END
                   WHERE kid = $3";
        let statement = sqlx::query(sql).bind(at.as_millisecond()).bind(by.to_string()).bind(kid.to_owned());
        self.execute(statement).await?;
        let successor = self.replace(&keys, revoked, policy).await?;
        if let Some(fresh) = fresh.filter(|fresh| fresh.ring == ring) {
            // One may wait already.
            self.insert(fresh, None).await?;
        }
        self.keep = true;
        Ok(Revocation::Revoked { at, successor })
    }

    /// Lets another key sign in the place of one that was just revoked.
    async fn replace(
        &mut self,
        keys: &[(String, KeyLife)],
        revoked: &KeyLife,
        policy: &RotationPolicy,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        let now = self.now;
        let ends_later = |key: &KeyLife| key.signs_until.is_some_and(|until| until > now);
        let (next, start) = if ends_later(revoked) {
            // Its successor is decided, warm already, and begins now.
            let Some((next, _)) = keys.iter().find(|(_, key)| key.is_designated()) else { return Ok(None) };
            (next, now)
        } else if !revoked.is_designated() {
            // It waited, or signed once.
            return Ok(None);
        } else if let Some((before, _)) = keys.iter().find(|(_, key)| key.is_published() && ends_later(key)) {
            // It was to follow a key that signs still, and goes on.
            let sql = "UPDATE signing_keys SET signs_until = NULL, kept_until = NULL WHERE kid = $1";
            self.must_change_one(sqlx::query(sql).bind(before.clone())).await?;
            return Ok(None);
        } else {
            let Some((next, life)) = keys.iter().find(|(_, key)| key.waits()) else { return Ok(None) };
            (next, emergency_start(life, policy, now))
        };
        self.begin(next, start).await?;
        Ok(Some((next.clone(), start)))
    }
}
