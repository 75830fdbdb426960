//! Issuers whose tokens an organization takes in exchange, each with its policies.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::trusted_issuer::{PolicyRecord, TrustedIssuer};

/// The outcome of registering or renaming an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    Done,
    /// The organization has one of this URL or name.
    Taken,
}

const SELECT: &str =
    "SELECT t.id, t.organization_id, t.name, t.url, t.thumbprints, t.jwks, t.max_expiration, t.created_at,
    t.modified_at, t.last_used_at, t.policy_id, t.policy_version, t.policies, t.policies_modified_at
    FROM trusted_issuers t JOIN organizations o ON o.id = t.organization_id AND o.deleted_at IS NULL
    WHERE t.deleted_at IS NULL ";

impl Store {
    pub async fn register_issuer(&self, issuer: &TrustedIssuer, by: Uuid) -> Result<Registered, StoreError> {
        let done = sqlx::query(
            "INSERT INTO trusted_issuers (id, organization_id, name, url, thumbprints, jwks, max_expiration, created_at,
                created_by, modified_at, policy_id, policy_version, policies, policies_modified_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10, $11, $12, $8) ON CONFLICT DO NOTHING",
        )
        .bind(issuer.id.to_string())
        .bind(issuer.organization_id.to_string())
        .bind(issuer.name.clone())
        .bind(issuer.url.clone())
        .bind(Value::from(issuer.thumbprints.clone()).to_string())
        .bind(issuer.jwks.as_ref().map(Value::to_string))
        .bind(issuer.max_expiration_seconds)
        .bind(issuer.created_at.as_millisecond())
        .bind(by.to_string())
        .bind(issuer.policy.id.to_string())
        .bind(issuer.policy.version)
        .bind(issuer.policy.policies.to_string())
        .execute(&self.write)
        .await?;
        Ok(if done.rows_affected() == 1 { Registered::Done } else { Registered::Taken })
    }

    /// All of an organization, oldest first.
    pub async fn issuers_of(&self, organization: Uuid) -> Result<Vec<TrustedIssuer>, StoreError> {
        let sql = [SELECT, "AND t.organization_id = $1 ORDER BY t.id"].concat();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string());
        query.fetch_all(&self.read).await?.iter().map(read).collect()
    }

    pub async fn issuer(&self, organization: Uuid, id: Uuid) -> Result<Option<TrustedIssuer>, StoreError> {
        let sql = [SELECT, "AND t.organization_id = $1 AND t.id = $2"].concat();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(id.to_string());
        query.fetch_optional(&self.read).await?.as_ref().map(read).transpose()
    }

    /// The issuer with these policies.
    pub async fn issuer_of_policy(
        &self,
        organization: Uuid,
        policy: Uuid,
    ) -> Result<Option<TrustedIssuer>, StoreError> {
        let sql = [SELECT, "AND t.organization_id = $1 AND t.policy_id = $2"].concat();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(policy.to_string());
        query.fetch_optional(&self.read).await?.as_ref().map(read).transpose()
    }

    /// The issuer of exactly this URL in the organization of this name.
    pub async fn issuer_at(
        &self,
        organization: &str,
        url: &str,
    ) -> Result<Option<TrustedIssuer>, StoreError> {
        let sql = [SELECT, "AND o.name = $1 AND t.url = $2"].concat();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_owned()).bind(url.to_owned());
        query.fetch_optional(&self.read).await?.as_ref().map(read).transpose()
    }

    /// Writes what may change of an issuer, which is all but its URL and its policies.
    pub async fn update_issuer(&self, issuer: &TrustedIssuer) -> Result<Registered, StoreError> {
        let taken = "SELECT 1 AS one FROM trusted_issuers WHERE organization_id = $1 AND name = $2 AND id <> $3 AND deleted_at IS NULL";
        let taken = sqlx::query(taken)
            .bind(issuer.organization_id.to_string())
            .bind(issuer.name.clone())
            .bind(issuer.id.to_string());
        if taken.fetch_optional(&self.write).await?.is_some() {
            return Ok(Registered::Taken);
        }
        sqlx::query(
            "UPDATE trusted_issuers SET name = $1, thumbprints = $2, jwks = $3, max_expiration = $4, modified_at = $5
             WHERE id = $6",
        )
        .bind(issuer.name.clone())
        .bind(Value::from(issuer.thumbprints.clone()).to_string())
        .bind(issuer.jwks.as_ref().map(Value::to_string))
        .bind(issuer.max_expiration_seconds)
        .bind(issuer.modified_at.as_millisecond())
        .bind(issuer.id.to_string())
        .execute(&self.write)
        .await?;
        Ok(Registered::Done)
    }

    /// Replaces the policies of version `from`; `false` if another caller replaced them first.
    pub async fn replace_policies(
        &self,
        issuer: Uuid,
        from: i64,
        policies: &Value,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE trusted_issuers SET policies = $1, policy_version = policy_version + 1, policies_modified_at = $2
             WHERE id = $3 AND policy_version = $4 AND deleted_at IS NULL",
        )
        .bind(policies.to_string())
        .bind(now.as_millisecond())
        .bind(issuer.to_string())
        .bind(from)
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Trusts the issuer no more, and revokes what was exchanged for its tokens: one transaction.
    pub async fn delete_issuer(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.write.acquire().await?;
        let mut transaction = self.begin_write(&mut connection).await?;
        for sql in [
            "UPDATE trusted_issuers SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL",
            "UPDATE access_tokens SET revoked_at = $1 WHERE trusted_issuer_id = $2 AND revoked_at IS NULL",
        ] {
            let query = sqlx::query(sql).bind(now.as_millisecond()).bind(id.to_string());
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn read(row: &AnyRow) -> Result<TrustedIssuer, StoreError> {
    let jwks = row.optional_text("jwks")?;
    Ok(TrustedIssuer {
        id: row.uuid("id")?,
        organization_id: row.uuid("organization_id")?,
        name: row.text("name")?,
        url: row.text("url")?,
        thumbprints: row.json("thumbprints")?,
        jwks: jwks
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| corrupt("jwks", &error))?,
        max_expiration_seconds: row.integer("max_expiration")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        policy: PolicyRecord {
            id: row.uuid("policy_id")?,
            version: row.integer("policy_version")?,
            policies: row.json("policies")?,
            modified_at: row.time("policies_modified_at")?,
        },
    })
}
