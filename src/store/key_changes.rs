//! Changes of the keys. Each is one transaction that begins by counting the revision up: so changes
//! stand in a row, whatever process makes them, and everybody sees that there is something to read.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyArguments;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Transaction};
use tokio::time::timeout;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Engine, Store, StoreError};
use crate::domain::signing_key::{Promotion, Revocation};
use crate::signing::key_store::NewKey;
use crate::signing::keyring::RingId;
use crate::signing::rotation::{Hold, KeyLife, RotationPolicy, Step, Wish, emergency_start, promotion};

/// The times that a change writes count from before its commit, and the rules leave a lease for that.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A key on its way into the record.
#[derive(Clone)]
pub struct KeyToPublish {
    pub ring: RingId,
    pub kept_in: &'static str,
    pub public_jwk: String,
    pub kid: String,
    pub private_key: String,
    pub attestation: String,
}

impl KeyToPublish {
    pub fn new(
        ring: RingId,
        kept_in: &'static str,
        key: &NewKey,
        attestation: String,
    ) -> Result<Self, StoreError> {
        let public_jwk =
            serde_json::to_string(&key.public_jwk).map_err(|error| corrupt("public_jwk", &error))?;
        let kid = key.public_jwk.common.key_id.clone().unwrap_or_default();
        Ok(Self { ring, kept_in, public_jwk, kid, private_key: key.private_key.clone(), attestation })
    }
}

/// A change under way.
pub(super) struct KeyChange<'c> {
    transaction: Transaction<'c, Any>,
    /// By the database's clock.
    pub(super) now: Timestamp,
    keep: bool,
}

type Changing<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

impl Store {
    /// Publishes a key that waits for its turn. `false` when one waits already: processes may race.
    pub async fn publish_next_key(&self, key: KeyToPublish) -> Result<bool, StoreError> {
        self.change_keys(|change| Box::pin(async move { change.insert(&key, None).await })).await
    }

    /// Publishes the first keys of issuers that nobody trusts yet: they sign at once. `false` when another
    /// process was first.
    pub async fn publish_first_keys(&self, keys: Vec<KeyToPublish>) -> Result<bool, StoreError> {
        self.change_keys(|change| Box::pin(async move { change.insert_first(&keys).await })).await
    }

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

    /// Takes the key out of service for good; the one that waits takes over as soon as it is warm, and
    /// `fresh` waits then. When this returns, no token of the key will be recorded any more.
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

    /// Takes keys that nobody can open any more out of the key set, and lets `waiting` and `made` sign at
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

    pub(super) async fn change_keys<T: Send>(
        &self,
        work: impl for<'c> FnOnce(&'c mut KeyChange<'_>) -> Changing<'c, T> + Send,
    ) -> Result<T, StoreError> {
        self.pass()?;
        let mut connection = self.write.acquire().await?;
        let done = timeout(CHANGE_TIMEOUT, self.change_on(&mut connection, work)).await;
        let done = done.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)));
        if done.is_err() {
            connection.close_on_drop();
        }
        // An answer may be lost after the change was made.
        self.pass()?;
        done
    }

    async fn change_on<T: Send>(
        &self,
        connection: &mut PoolConnection<Any>,
        work: impl for<'c> FnOnce(&'c mut KeyChange<'_>) -> Changing<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let mut transaction = self.begin_write(connection).await?;
        // The lock first and the time after: what waited for others must not act on an old time.
        sqlx::query("UPDATE key_revision SET revision = revision + 1 WHERE id = 1")
            .execute(&mut *transaction)
            .await?;
        let sql = format!("SELECT {} AS now", self.now_sql());
        let now = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await?.time("now")?;
        let mut change = KeyChange { transaction, now, keep: true };
        let outcome = work(&mut change).await?;
        if change.keep {
            change.transaction.commit().await?;
        } else {
            change.transaction.rollback().await?;
        }
        Ok(outcome)
    }
}

type Statement<'q> = Query<'q, Any, AnyArguments>;

impl KeyChange<'_> {
    /// How many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        Ok(statement.execute(&mut *self.transaction).await?.rows_affected())
    }

    /// Keeps the whole change only if this statement changed exactly one row.
    pub(super) async fn keep_if_one(&mut self, statement: Statement<'_>) -> Result<bool, StoreError> {
        self.keep = self.execute(statement).await? == 1;
        Ok(self.keep)
    }

    async fn insert(
        &mut self,
        key: &KeyToPublish,
        signs_from: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO signing_keys (kid, issuer, algorithm, public_jwk, kept_in, private_key, attestation,
                       created_at, published_at, signs_from)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) ON CONFLICT DO NOTHING";
        let statement = sqlx::query(sql)
            .bind(&key.kid)
            .bind(key.ring.issuer.to_string())
            .bind(key.ring.algorithm.as_str())
            .bind(&key.public_jwk)
            .bind(key.kept_in)
            .bind(&key.private_key)
            .bind(&key.attestation)
            .bind(self.now.as_millisecond())
            .bind(signs_from.map(Timestamp::as_millisecond));
        self.keep_if_one(statement).await
    }

    pub(super) async fn insert_first(&mut self, keys: &[KeyToPublish]) -> Result<bool, StoreError> {
        for key in keys {
            if !self.ring(key.ring).await?.is_empty() || !self.insert(key, Some(self.now)).await? {
                self.keep = false;
                return Ok(false);
            }
        }
        Ok(true)
    }

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
        let ring = super::signing_keys::ring_of(&row)?;
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

    async fn begin(&mut self, kid: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET signs_from = $1 WHERE kid = $2 AND revoked_at IS NULL AND removed_at IS NULL";
        self.must_change_one(sqlx::query(sql).bind(at.as_millisecond()).bind(kid.to_owned())).await
    }

    async fn end(&mut self, kid: &str, at: Timestamp, policy: &RotationPolicy) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET signs_until = $1, kept_until = $3
                   WHERE kid = $2 AND signs_from IS NOT NULL AND signs_until IS NULL AND revoked_at IS NULL";
        let kept_until = (at + policy.keep_published).as_millisecond();
        let query = sqlx::query(sql).bind(at.as_millisecond()).bind(kid.to_owned()).bind(kept_until);
        self.must_change_one(query).await
    }

    async fn must_change_one(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        match self.execute(statement).await? {
            1 => Ok(()),
            count => Err(corrupt("signing_keys", &format!("{count} rows changed instead of one"))),
        }
    }

    /// The published keys of a ring, as this transaction sees them.
    async fn ring(&mut self, ring: RingId) -> Result<Vec<(String, KeyLife)>, StoreError> {
        let mut keys = self.ring_with_history(ring).await?;
        keys.retain(|(_, key)| key.is_published());
        Ok(keys)
    }

    async fn ring_with_history(&mut self, ring: RingId) -> Result<Vec<(String, KeyLife)>, StoreError> {
        let sql = "SELECT kid, published_at, signs_from, signs_until, removed_at, revoked_at, kept_until,
                       CASE WHEN private_key IS NULL THEN 0 ELSE 1 END AS has_private_half
                   FROM signing_keys WHERE issuer = $1 AND algorithm = $2 ORDER BY created_at, kid";
        let query = sqlx::query(sql).bind(ring.issuer.to_string()).bind(ring.algorithm.as_str());
        let rows = query.fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((row.text("kid")?, super::signing_keys::life_of(row)?))).collect()
    }

    async fn names(&mut self, query: Statement<'_>) -> Result<Vec<String>, StoreError> {
        query.fetch_all(&mut *self.transaction).await?.iter().map(|row| row.text("name")).collect()
    }
}
