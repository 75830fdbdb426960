//! The processes that serve: their leases, and what they serve.

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::row::Columns;
use super::{Store, StoreError};
use crate::domain::replica::{Replica, ReplicaRecord};

/// The answer to renewing a lease.
pub struct Heartbeat {
    /// By the database's clock, at some moment between asking and answer.
    pub now: Timestamp,
    pub revision: i64,
}

impl Store {
    /// Renews the process's lease, or gives it one.
    pub async fn renew_lease(
        &self,
        replica: &Replica,
        lease: SignedDuration,
    ) -> Result<Heartbeat, StoreError> {
        self.pass()?;
        let now = self.now_sql();
        let sql = format!(
            "INSERT INTO replicas (id, name, version, sealing_keys, started_at, seen_at, lease_until)
             VALUES ($1, $2, $3, $4, $5, {now}, {now} + $6)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, lease_until = excluded.lease_until
             RETURNING seen_at, (SELECT revision FROM key_revision WHERE id = 1) AS revision"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(replica.id.to_string())
            .bind(replica.name.clone())
            .bind(env!("CARGO_PKG_VERSION"))
            .bind(replica.sealing_keys.join(" "))
            .bind(replica.started_at.as_millisecond())
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .fetch_one(&self.write)
            .await?;
        self.pass()?;
        Ok(Heartbeat { now: row.time("seen_at")?, revision: row.integer("revision")? })
    }

    /// Records that `by` (a process, or a static copy) serves these keys from now on.
    pub async fn record_servings(&self, by: &str, kids: &[String]) -> Result<(), StoreError> {
        self.pass()?;
        for kid in kids {
            let sql = format!(
                "INSERT INTO key_servings (kid, served_by, since) VALUES ($1, $2, {}) ON CONFLICT DO NOTHING",
                self.now_sql()
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(kid.clone())
                .bind(by.to_owned())
                .execute(&self.write)
                .await?;
        }
        self.pass()
    }

    /// Records that the keys that wait to sign are not known to be in this static copy.
    pub(super) async fn forget_waiting_keys(&self, target: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM key_servings WHERE served_by = $1
                   AND kid IN (SELECT kid FROM signing_keys WHERE signs_from IS NULL)";
        sqlx::query(sql).bind(target.to_owned()).execute(&self.write).await?;
        Ok(())
    }

    /// Ends the lease of a process that stops, so that no process waits for it or for its turn to write.
    pub async fn end_lease(&self, id: Uuid) -> Result<(), StoreError> {
        self.release_claims(id).await?;
        self.forget("id = $1", id.to_string()).await
    }

    /// Forgets the processes whose lease ran out at least `ago` before now.
    pub async fn forget_ended_replicas(&self, ago: SignedDuration) -> Result<(), StoreError> {
        self.pass()?;
        let before = self.now().await? - ago;
        self.forget("lease_until < CAST($1 AS BIGINT)", before.as_millisecond().to_string()).await
    }

    async fn forget(&self, which: &str, value: String) -> Result<(), StoreError> {
        let servings =
            format!("DELETE FROM key_servings WHERE served_by IN (SELECT id FROM replicas WHERE {which})");
        let replicas = format!("DELETE FROM replicas WHERE {which}");
        for sql in [servings, replicas] {
            sqlx::query(AssertSqlSafe(sql)).bind(value.clone()).execute(&self.write).await?;
        }
        Ok(())
    }

    /// The processes with a lease, by name.
    pub async fn live_replicas(&self) -> Result<Vec<ReplicaRecord>, StoreError> {
        let sql = format!(
            "SELECT id, name, version, sealing_keys, seen_at FROM replicas WHERE lease_until > {} ORDER BY name, id",
            self.now_sql()
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let sealing_keys = row.text("sealing_keys")?;
                Ok(ReplicaRecord {
                    id: row.uuid("id")?,
                    name: row.text("name")?,
                    version: row.text("version")?,
                    sealing_keys: sealing_keys.split(' ').map(str::to_owned).collect(),
                    seen_at: row.time("seen_at")?,
                })
            })
            .collect()
    }

    /// Who serves which key since when: key id, process or static copy, time.
    pub async fn servings(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let rows =
            sqlx::query("SELECT kid, served_by, since FROM key_servings").fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok((row.text("kid")?, row.text("served_by")?, row.time("since")?))).collect()
    }
}
