//! A change of the keys: one transaction that begins by counting the revision up.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyArguments;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Transaction};
use tokio::time::timeout;

use super::key_to_publish::KeyToPublish;
use crate::signing::keyring::RingId;
use crate::signing::rotation::{KeyLife, RotationPolicy};
use crate::store::row::{Columns, corrupt};
use crate::store::signing_keys::life_of;
use crate::store::{Store, StoreError};

/// The times that a change writes count from before its commit, and the rules leave a lease for that.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A change under way.
pub(in crate::store) struct KeyChange<'c> {
    pub(super) transaction: Transaction<'c, Any>,
    /// By the database's clock.
    pub(in crate::store) now: Timestamp,
    pub(super) keep: bool,
}

pub(in crate::store) type Changing<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

pub(in crate::store) type Statement<'q> = Query<'q, Any, AnyArguments>;

impl Store {
    pub(in crate::store) async fn change_keys<T: Send>(
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

impl KeyChange<'_> {
    /// How many rows it changed.
    pub(in crate::store) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        Ok(statement.execute(&mut *self.transaction).await?.rows_affected())
    }

    /// Keeps the whole change only if this statement changed exactly one row.
    pub(in crate::store) async fn keep_if_one(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<bool, StoreError> {
        self.keep = self.execute(statement).await? == 1;
        Ok(self.keep)
    }

    pub(in crate::store) async fn insert(
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

    pub(in crate::store) async fn insert_first(&mut self, keys: &[KeyToPublish]) -> Result<bool, StoreError> {
        for key in keys {
            if !self.ring(key.ring).await?.is_empty() || !self.insert(key, Some(self.now)).await? {
                self.keep = false;
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(in crate::store) async fn begin(&mut self, kid: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET signs_from = $1 WHERE kid = $2 AND revoked_at IS NULL AND removed_at IS NULL";
        self.must_change_one(sqlx::query(sql).bind(at.as_millisecond()).bind(kid.to_owned())).await
    }

    pub(in crate::store) async fn end(
        &mut self,
        kid: &str,
        at: Timestamp,
        policy: &RotationPolicy,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE signing_keys SET signs_until = $1, kept_until = $3
                   WHERE kid = $2 AND signs_from IS NOT NULL AND signs_until IS NULL AND revoked_at IS NULL";
        let kept_until = (at + policy.keep_published).as_millisecond();
        let query = sqlx::query(sql).bind(at.as_millisecond()).bind(kid.to_owned()).bind(kept_until);
        self.must_change_one(query).await
    }

    pub(in crate::store) async fn must_change_one(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<(), StoreError> {
        match self.execute(statement).await? {
            1 => Ok(()),
            count => Err(corrupt("signing_keys", &format!("{count} rows changed instead of one"))),
        }
    }

    /// The published keys of a ring, as this transaction sees them.
    pub(in crate::store) async fn ring(
        &mut self,
        ring: RingId,
    ) -> Result<Vec<(String, KeyLife)>, StoreError> {
        let mut keys = self.ring_with_history(ring).await?;
        keys.retain(|(_, key)| key.is_published());
        Ok(keys)
    }

    pub(in crate::store) async fn ring_with_history(
        &mut self,
        ring: RingId,
    ) -> Result<Vec<(String, KeyLife)>, StoreError> {
        let sql = "SELECT kid, published_at, signs_from, signs_until, removed_at, revoked_at, kept_until,
                       CASE WHEN private_key IS NULL THEN 0 ELSE 1 END AS has_private_half
                   FROM signing_keys WHERE issuer = $1 AND algorithm = $2 ORDER BY created_at, kid";
        let query = sqlx::query(sql).bind(ring.issuer.to_string()).bind(ring.algorithm.as_str());
        let rows = query.fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((row.text("kid")?, life_of(row)?))).collect()
    }

    pub(in crate::store) async fn names(&mut self, query: Statement<'_>) -> Result<Vec<String>, StoreError> {
        query.fetch_all(&mut *self.transaction).await?.iter().map(|row| row.text("name")).collect()
    }
}
