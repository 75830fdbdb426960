//! Verifiers with an uploaded key set, and the keys that each is known to have.

use jiff::Timestamp;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::signing::keyring::IssuerId;

impl Store {
    /// `false` when the issuer has one of this name.
    pub async fn create_snapshot_verifier(
        &self,
        verifier: &SnapshotVerifier,
        by: Uuid,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO snapshot_verifiers (id, issuer, name, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(verifier.id.to_string())
        .bind(verifier.issuer.to_string())
        .bind(verifier.name.clone())
        .bind(verifier.created_at.as_millisecond())
        .bind(by.to_string())
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// All of them, oldest first.
    pub async fn snapshot_verifiers(&self) -> Result<Vec<SnapshotVerifier>, StoreError> {
        let rows = sqlx::query("SELECT id, issuer, name, created_at FROM snapshot_verifiers ORDER BY id")
            .fetch_all(&self.read)
            .await?;
        let has = sqlx::query(
            "SELECT verifier_id, kid FROM snapshot_acknowledgements ORDER BY acknowledged_at, kid",
        )
        .fetch_all(&self.read)
        .await?;
        let has: Vec<(Uuid, String)> = has
            .iter()
            .map(|row| Ok((row.uuid("verifier_id")?, row.text("kid")?)))
            .collect::<Result<_, StoreError>>()?;
        rows.iter()
            .map(|row| {
                let (id, issuer) = (row.uuid("id")?, row.text("issuer")?);
                let own = has.iter().filter(|(verifier, _)| *verifier == id).map(|(_, kid)| kid.clone());
                Ok(SnapshotVerifier {
                    id,
                    issuer: IssuerId::parse(&issuer).ok_or_else(|| corrupt("issuer", &issuer))?,
                    name: row.text("name")?,
                    created_at: row.time("created_at")?,
                    has: own.collect(),
                })
            })
            .collect()
    }

    /// Records that the verifier has this key. Again is no error.
    pub async fn acknowledge_key(
        &self,
        verifier: Uuid,
        kid: &str,
        by: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO snapshot_acknowledgements (verifier_id, kid, acknowledged_at, acknowledged_by)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(verifier.to_string())
        .bind(kid.to_owned())
        .bind(now.as_millisecond())
        .bind(by.to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Rotation no longer waits for it.
    pub async fn delete_snapshot_verifier(&self, id: Uuid) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM snapshot_acknowledgements WHERE verifier_id = $1",
            "DELETE FROM snapshot_verifiers WHERE id = $1",
        ] {
            sqlx::query(sql).bind(id.to_string()).execute(&self.write).await?;
        }
        Ok(())
    }
}
