//! Static copies of what is published: who writes them, and what is in them.

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::row::Columns;
use super::{Store, StoreError};

pub struct PublicationRecord {
    pub target: String,
    /// The revision that was written and read back.
    pub revision: Option<i64>,
    pub written_at: Option<Timestamp>,
}

impl Store {
    /// Promotions wait for this target, until nobody has wanted it for `keep`.
    pub async fn want_publication(&self, target: &str, keep: SignedDuration) -> Result<(), StoreError> {
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
    pub async fn publications(&self) -> Result<Vec<PublicationRecord>, StoreError> {
        let sql = format!(
            "SELECT target, revision, written_at FROM publications WHERE wanted_until > {} ORDER BY target",
            self.now_sql()
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                Ok(PublicationRecord {
                    target: row.text("target")?,
                    revision: row.optional_integer("revision")?,
                    written_at: row.optional_time("written_at")?,
                })
            })
            .collect()
    }

    /// Lets one process write for a while: two at once could leave the older documents.
    pub async fn claim_publication(
        &self,
        target: &str,
        by: Uuid,
        for_at_most: SignedDuration,
    ) -> Result<bool, StoreError> {
        let now = self.now_sql();
        let sql = format!(
            "UPDATE publications SET claimed_by = $1, claimed_until = {now} + $2
             WHERE target = $3 AND (claimed_until <= {now} OR claimed_by = $1)"
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(by.to_string())
            .bind(i64::try_from(for_at_most.as_millis()).unwrap_or(i64::MAX))
            .bind(target.to_owned())
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records that the documents of `revision` were written and read back, and lets others write.
    pub async fn record_publication(&self, target: &str, by: Uuid, revision: i64) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE publications SET revision = $1, written_at = {}, claimed_until = 0
             WHERE target = $2 AND claimed_by = $3",
            self.now_sql()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(revision)
            .bind(target.to_owned())
            .bind(by.to_string())
            .execute(&self.write)
            .await?;
        Ok(())
    }
}
