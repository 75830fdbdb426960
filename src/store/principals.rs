//! Teams and users: names with rights in an organization.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::principal::{Principal, PrincipalKind, Right};

const SELECT: &str = "SELECT id, organization_id, kind, name, rights, created_at, modified_at
    FROM principals WHERE deleted_at IS NULL AND organization_id = $1 AND kind = $2 ";

impl Store {
    /// `false` when there is one of this name.
    pub async fn create_principal(&self, principal: &Principal, by: Uuid) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO principals (id, organization_id, kind, name, rights, created_at, created_by, modified_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT DO NOTHING",
        )
        .bind(principal.id.to_string())
        .bind(principal.organization_id.to_string())
        .bind(principal.kind.as_str())
        .bind(principal.name.clone())
        .bind(write(&principal.rights)?)
        .bind(principal.created_at.as_millisecond())
        .bind(by.to_string())
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// All of a kind, by name.
    pub async fn principals(
        &self,
        organization: Uuid,
        kind: PrincipalKind,
    ) -> Result<Vec<Principal>, StoreError> {
        let sql = [SELECT, "ORDER BY name"].concat();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(kind.as_str());
        query.fetch_all(&self.read).await?.iter().map(read).collect()
    }

    pub async fn principal(
        &self,
        organization: Uuid,
        kind: PrincipalKind,
        name: &str,
    ) -> Result<Option<Principal>, StoreError> {
        let sql = [SELECT, "AND name = $3"].concat();
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(organization.to_string())
            .bind(kind.as_str())
            .bind(name.to_owned());
        query.fetch_optional(&self.read).await?.as_ref().map(read).transpose()
    }

    pub async fn update_rights(&self, id: Uuid, rights: &[Right], now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE principals SET rights = $1, modified_at = $2 WHERE id = $3 AND deleted_at IS NULL";
        let query = sqlx::query(sql).bind(write(rights)?).bind(now.as_millisecond()).bind(id.to_string());
        query.execute(&self.write).await?;
        Ok(())
    }

    /// Its tokens are refused from `now` on.
    pub async fn delete_principal(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.write.acquire().await?;
        let mut transaction = self.begin_write(&mut connection).await?;
        for sql in [
            "UPDATE principals SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL",
            "UPDATE access_tokens SET revoked_at = $1 WHERE principal_id = $2 AND revoked_at IS NULL",
        ] {
            let query = sqlx::query(sql).bind(now.as_millisecond()).bind(id.to_string());
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn write(rights: &[Right]) -> Result<String, StoreError> {
    serde_json::to_string(rights).map_err(|error| corrupt("rights", &error))
}

fn read(row: &AnyRow) -> Result<Principal, StoreError> {
    let kind = row.text("kind")?;
    Ok(Principal {
        id: row.uuid("id")?,
        organization_id: row.uuid("organization_id")?,
        kind: PrincipalKind::parse(&kind).ok_or_else(|| corrupt("kind", &kind))?,
        name: row.text("name")?,
        rights: row.json("rights")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
    })
}
