//! Static copies of what is published: who writes them, and what is in them.

use jiff::SignedDuration;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::row::Columns;
use super::{Store, StoreError};
use crate::domain::static_copy::CopyRecord;

/// The right to write a copy.
pub struct Claimed {
    /// The revision that the copy was last known to have.
    pub revision: Option<i64>,
}

impl Store {
    /// Promotions wait for this target until no process has asked for it for `keep`.
    pub async fn want_copy(&self, target: &str, keep: SignedDuration) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO publications (target, wanted_until) VALUES ($1, {} + $2)
             ON CONFLICT (target) DO UPDATE SET wanted_until = excluded.wanted_until",
            self.now_sql()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(target.to_owned())
            .bind(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// The targets that promotions wait for.
    pub async fn copies(&self) -> Result<Vec<CopyRecord>, StoreError> {
        let sql = format!(
            "SELECT target, revision, written_at FROM publications WHERE wanted_until > {} ORDER BY target",
            self.now_sql()
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                Ok(CopyRecord {
                    target: row.text("target")?,
                    revision: row.optional_integer("revision")?,
                    written_at: row.optional_time("written_at")?,
                })
            })
            .collect()
    }

    /// Lets one process write for a while: two at once could leave the older documents. `None` when it is
    /// another's turn.
    pub async fn claim_copy(
        &self,
        target: &str,
        by: Uuid,
        for_at_most: SignedDuration,
    ) -> Result<Option<Claimed>, StoreError> {
        let now = self.now_sql();
        let sql = format!(
            "UPDATE publications SET claimed_by = $1, claimed_until = {now} + $2
             WHERE target = $3 AND (claimed_until <= {now} OR claimed_by = $1) RETURNING revision"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(by.to_string())
            .bind(i64::try_from(for_at_most.as_millis()).unwrap_or(i64::MAX))
            .bind(target.to_owned())
            .fetch_optional(&self.write)
            .await?;
        row.map(|row| Ok(Claimed { revision: row.optional_integer("revision")? })).transpose()
    }

    /// Renews a claim that has not ended; `false` if it ended, since another process may hold it.
    pub async fn renew_claim(
        &self,
        target: &str,
        by: Uuid,
        for_at_most: SignedDuration,
    ) -> Result<bool, StoreError> {
        let now = self.now_sql();
        let sql = format!(
            "UPDATE publications SET claimed_until = {now} + $1
             WHERE target = $2 AND claimed_by = $3 AND claimed_until > {now}"
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::try_from(for_at_most.as_millis()).unwrap_or(i64::MAX))
            .bind(target.to_owned())
            .bind(by.to_string())
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets other processes write.
    pub async fn release_claims(&self, by: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE publications SET claimed_until = 0 WHERE claimed_by = $1";
        sqlx::query(sql).bind(by.to_string()).execute(&self.write).await?;
        Ok(())
    }

    /// Records that the documents of `revision` were written and read back, and lets others write. `false` when
    /// the claim ended before: another process may have written something else.
    pub async fn record_copy(&self, target: &str, by: Uuid, revision: i64) -> Result<bool, StoreError> {
        let now = self.now_sql();
        let sql = format!(
            "UPDATE publications SET revision = $1, written_at = {now}, claimed_until = 0
             WHERE target = $2 AND claimed_by = $3 AND claimed_until > {now}"
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(revision)
            .bind(target.to_owned())
            .bind(by.to_string())
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records that the content of this copy is unknown: no waiting key counts as served there.
    /// Those that were chosen to sign do: they were there for long enough, and an outage of a bucket must not
    /// end all tokens.
    pub async fn distrust_copy(&self, target: &str, by: Uuid) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE publications SET revision = NULL
             WHERE target = $1 AND claimed_by = $2 AND claimed_until > {}",
            self.now_sql()
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(target.to_owned()).bind(by.to_string());
        if query.execute(&self.write).await?.rows_affected() == 0 {
            return Ok(());
        }
        self.forget_waiting_keys(target).await
    }
}
