//! Promoting a key: the rules are checked again in the transaction that carries them out.

use sqlx::AssertSqlSafe;

use super::change::KeyChange;
use crate::domain::signing_key::Promotion;
use crate::signing::keyring::RingId;
use crate::signing::rotation::{Hold, RotationPolicy, Step, Wish, promotion};
use crate::store::{Store, StoreError};

impl Store {
    /// Lets the next key of `ring` take over if everything allows it. Any number of processes may try.
    pub async fn promote_key(
        &self,
        ring: RingId,
        policy: RotationPolicy,
        wish: Wish,
    ) -> Result<Promotion, StoreError> {
        self.change_keys(move |change| Box::pin(async move { change.promote(ring, &policy, wish).await }))
            .await
    }
}

impl KeyChange<'_> {
    async fn promote(
        &mut self,
        ring: RingId,
        policy: &RotationPolicy,
        wish: Wish,
    ) -> Result<Promotion, StoreError> {
        self.keep = false;
        let keys = self.ring(ring).await?;
        let step = match promotion(&keys, policy, self.now, wish) {
            Err(hold) => return Ok(Promotion::Held(hold)),
            Ok(None) => return Ok(Promotion::NotDue),
            Ok(Some(step)) => step,
        };
        let Step::Promote { next, active, at } = step else { return Ok(Promotion::NotDue) };
        if let Some(hold) = self.held_by_others(ring, &next, policy).await? {
            return Ok(Promotion::Held(hold));
        }
        if let Some(active) = active {
            self.end(&active, at, policy).await?;
        }
        self.begin(&next, at).await?;
        self.keep = true;
        Ok(Promotion::Scheduled { next, at })
    }

    /// Who is not known to have `next`, or not for long enough.
    async fn held_by_others(
        &mut self,
        ring: RingId,
        next: &str,
        policy: &RotationPolicy,
    ) -> Result<Option<Hold>, StoreError> {
        let since = (self.now - policy.timing.jwks_max_age).as_millisecond();
        let missing =
            "NOT EXISTS (SELECT 1 FROM key_servings s WHERE s.kid = $1 AND s.since <= $2 AND s.served_by = ";
        let sql = format!(
            "SELECT r.name AS name FROM replicas r WHERE r.lease_until > $3 AND {missing} r.id) ORDER BY r.name"
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(next.to_owned()).bind(since).bind(self.now.as_millisecond());
        let replicas = self.names(query).await?;
        if !replicas.is_empty() {
            return Ok(Some(Hold::Replicas(replicas)));
        }
        let sql = format!(
            "SELECT p.target AS name FROM publications p WHERE p.wanted_until > $3 AND {missing} p.target) ORDER BY p.target"
        );
        let publications = self
            .names(
                sqlx::query(AssertSqlSafe(sql))
                    .bind(next.to_owned())
                    .bind(since)
                    .bind(self.now.as_millisecond()),
            )
            .await?;
        if !publications.is_empty() {
            return Ok(Some(Hold::Publications(publications)));
        }
        let sql = "SELECT v.name AS name FROM snapshot_verifiers v WHERE v.issuer = $2 AND NOT EXISTS (
                       SELECT 1 FROM snapshot_acknowledgements a WHERE a.verifier_id = v.id AND a.kid = $1
                   ) ORDER BY v.name";
        let verifiers =
            self.names(sqlx::query(sql).bind(next.to_owned()).bind(ring.issuer.to_string())).await?;
        Ok((!verifiers.is_empty()).then_some(Hold::SnapshotVerifiers(verifiers)))
    }
}
