//! Access tokens of our own API, known only by their hash.

use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::access_token::{AccessToken, Holder, Role};
use crate::domain::page::{Page, PageRequest};
use crate::domain::principal::PrincipalKind;
use crate::issuer::organization_name::OrganizationName;
use crate::opaque_token::TokenHash;

/// The last use is recorded this often at most: a fact for people, not worth a write per request.
const LAST_USED_RESOLUTION: SignedDuration = SignedDuration::from_mins(1);

const COLUMNS: &str = "SELECT t.id, t.name, t.role, t.organization_id, o.name AS organization, t.created_at,
    t.expires_at, t.last_used_at, t.revoked_at, t.principal_id, p.kind, p.name AS principal, p.rights, t.runner, t.origin
    FROM access_tokens t LEFT JOIN organizations o ON o.id = t.organization_id
    LEFT JOIN principals p ON p.id = t.principal_id LEFT JOIN trusted_issuers i ON i.id = t.trusted_issuer_id ";

impl Store {
    /// A token that an exchanged token creates has the same origin, and is revoked with that issuer.
    pub async fn create_access_token(
        &self,
        token: &AccessToken,
        hash: &TokenHash,
        created_by: Option<Uuid>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_tokens (id, hash, name, role, organization_id, created_by, created_at, expires_at,
                 trusted_issuer_id, origin)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                 (SELECT c.trusted_issuer_id FROM access_tokens c WHERE c.id = $6),
                 (SELECT c.origin FROM access_tokens c WHERE c.id = $6))",
        )
        .bind(token.id.to_string())
        .bind(hash.as_str())
        .bind(&token.name)
        .bind(token.role.as_str())
        .bind(token.organization.as_ref().map(|(id, _)| id.to_string()))
        .bind(created_by.map(|id| id.to_string()))
        .bind(token.created_at.as_millisecond())
        .bind(token.expires_at.map(Timestamp::as_millisecond))
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// The token with this hash, if it may be used at `now`; its use is recorded. Organization, team and
    /// issuer are asked too: a token that was being made while one was deleted escaped the revocation.
    pub async fn use_access_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, StoreError> {
        let sql = select(
            COLUMNS,
            "WHERE t.hash = $1 AND o.deleted_at IS NULL AND p.deleted_at IS NULL AND i.deleted_at IS NULL",
        );
        let row = sqlx::query(sql).bind(hash.as_str()).fetch_optional(&self.read).await?;
        let Some(token) = row.as_ref().map(read).transpose()?.filter(|token| token.is_valid_at(now)) else {
            return Ok(None);
        };
        if token.last_used_at.is_none_or(|used| used <= now - LAST_USED_RESOLUTION) {
            // A fact for people: that it cannot be written is no reason to refuse the request.
            if let Err(error) = self.record_use(token.id, now).await {
                tracing::warn!(%error, access_token_id = %token.id, "the use of an access token was not recorded");
            }
        }
        Ok(Some(token))
    }

    async fn record_use(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE access_tokens SET last_used_at = $1
             WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
        )
        .bind(now.as_millisecond())
        .bind(id.to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub async fn access_token(&self, id: Uuid) -> Result<Option<AccessToken>, StoreError> {
        let sql = select(COLUMNS, "WHERE t.id = $1");
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&self.read).await?;
        row.as_ref().map(read).transpose()
    }

    /// The tokens of one organization, or the admin tokens when `organization` is `None`; newest first.
    pub async fn access_tokens(
        &self,
        organization: Option<Uuid>,
        page: PageRequest,
    ) -> Result<Page<AccessToken>, StoreError> {
        let sql = select(
            COLUMNS,
            "WHERE ((CAST($1 AS TEXT) IS NULL AND t.organization_id IS NULL) OR t.organization_id = $1)
               AND (CAST($2 AS TEXT) IS NULL OR t.id < $2)
             ORDER BY t.id DESC LIMIT $3",
        );
        let rows = sqlx::query(sql)
            .bind(organization.map(|id| id.to_string()))
            .bind(page.before_text())
            .bind(page.fetch_limit())
            .fetch_all(&self.read)
            .await?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.page(items, |token: &AccessToken| token.id))
    }

    /// From `now` on the token is refused. Revoking twice keeps the first time.
    pub async fn revoke_access_token(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE access_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(now.as_millisecond())
            .bind(id.to_string())
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

fn select(columns: &'static str, rest: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe([columns, rest].concat())
}

fn read(row: &AnyRow) -> Result<AccessToken, StoreError> {
    let role = row.text("role")?;
    let organization = match (row.optional_uuid("organization_id")?, row.optional_text("organization")?) {
        (Some(id), Some(name)) => {
            Some((id, OrganizationName::parse(&name).map_err(|error| corrupt("organization", &error))?))
        }
        _ => None,
    };
    let role = Role::parse(&role).ok_or_else(|| corrupt("role", &role))?;
    if (role == Role::Admin) != organization.is_none() {
        return Err(corrupt("role", &"an admin token has no organization, every other has one"));
    }
    Ok(AccessToken {
        id: row.uuid("id")?,
        name: row.text("name")?,
        role,
        organization,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        holder: holder(row)?,
        origin: row
            .optional_text("origin")?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| corrupt("origin", &error))?,
    })
}

fn holder(row: &AnyRow) -> Result<Holder, StoreError> {
    let runner = row.optional_text("runner")?;
    match (row.optional_uuid("principal_id")?, runner) {
        (None, None) => Ok(Holder::Role),
        (None, Some(runner)) => Ok(Holder::Runner(runner)),
        (Some(id), _) => {
            let kind = row.text("kind")?;
            let kind = PrincipalKind::parse(&kind).ok_or_else(|| corrupt("kind", &kind))?;
            Ok(Holder::Principal { id, kind, name: row.text("principal")?, rights: row.json("rights")? })
        }
    }
}
