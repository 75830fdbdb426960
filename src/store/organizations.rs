//! Organizations.

use jiff::Timestamp;
use sqlx::Any;
use sqlx::any::AnyRow;
use sqlx::pool::PoolConnection;
use uuid::Uuid;

use super::key_changes::KeyToPublish;
use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::organization::{KeyChoice, Organization};
use crate::domain::page::{Page, PageRequest};
use crate::issuer::organization_name::OrganizationName;
use crate::signing::algorithm::SigningAlgorithm;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    Created,
    /// It exists, or existed once.
    NameTaken,
}

impl Store {
    /// Makes the organization, and the first keys of its issuer with it.
    pub async fn create_organization(
        &self,
        organization: Organization,
        first_keys: Vec<KeyToPublish>,
    ) -> Result<Create, StoreError> {
        let insert = sqlx::query(
            "INSERT INTO organizations (id, name, created_at, own_issuer, algorithm) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(organization.id.to_string())
        .bind(organization.name.to_string())
        .bind(organization.created_at.as_millisecond())
        .bind(i64::from(organization.keys.own_issuer))
        .bind(organization.keys.algorithm.as_str());
        let created = if organization.keys == KeyChoice::default() {
            insert.execute(&self.write).await?.rows_affected() == 1
        } else {
            // Every process must learn of its issuer or algorithm.
            self.change_keys(move |change| {
                Box::pin(async move {
                    Ok(change.keep_if_one(insert).await? && change.insert_first(&first_keys).await?)
                })
            })
            .await?
        };
        Ok(if created { Create::Created } else { Create::NameTaken })
    }

    /// Whether there is, or once was, an organization of this name.
    pub async fn is_name_taken(&self, name: &OrganizationName) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT 1 AS one FROM organizations WHERE name = $1").bind(name.as_str());
        Ok(query.fetch_optional(&self.read).await?.is_some())
    }

    /// The organization of this name, unless it was deleted.
    pub async fn organization_named(
        &self,
        name: &OrganizationName,
    ) -> Result<Option<Organization>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, created_at, own_issuer, algorithm FROM organizations WHERE name = $1 AND deleted_at IS NULL",
        )
        .bind(name.as_str())
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Organizations, newest first; only the one with id `only` when given.
    pub async fn organizations(
        &self,
        only: Option<Uuid>,
        page: PageRequest,
    ) -> Result<Page<Organization>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, created_at, own_issuer, algorithm FROM organizations
             WHERE deleted_at IS NULL
               AND (CAST($1 AS TEXT) IS NULL OR id = $1)
               AND (CAST($2 AS TEXT) IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
        )
        .bind(only.map(|id| id.to_string()))
        .bind(page.before_text())
        .bind(page.fetch_limit())
        .fetch_all(&self.read)
        .await?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.page(items, |organization: &Organization| organization.id))
    }

    /// Deletes the organization, and with it ends what acts in its name: its active runs are cancelled
    /// and its access tokens revoked. The record stays.
    pub async fn delete_organization(&self, id: Uuid, by: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let (id, by, now) = (id.to_string(), by.to_string(), now.as_millisecond());
        let mut connection = self.write.acquire().await?;
        let deleted = self.delete_on(&mut connection, &id, &by, now).await;
        if deleted.is_err() {
            connection.close_on_drop();
        }
        deleted
    }

    async fn delete_on(
        &self,
        connection: &mut PoolConnection<Any>,
        id: &str,
        by: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(connection).await?;
        sqlx::query("UPDATE organizations SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL")
            .bind(now)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE runs SET state = 'cancelled', ended_at = $1, ended_by = $2
             WHERE organization_id = $3 AND state = 'active' AND expires_at > $1",
        )
        .bind(now)
        .bind(by)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE access_tokens SET revoked_at = $1 WHERE organization_id = $2 AND revoked_at IS NULL",
        )
        .bind(now)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn read(row: &AnyRow) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: row.uuid("id")?,
        name: OrganizationName::parse(&row.text("name")?).map_err(|error| corrupt("name", &error))?,
        created_at: row.time("created_at")?,
        keys: key_choice(row)?,
    })
}

pub(super) fn key_choice(row: &AnyRow) -> Result<KeyChoice, StoreError> {
    let algorithm = row.text("algorithm")?;
    Ok(KeyChoice {
        own_issuer: row.integer("own_issuer")? == 1,
        algorithm: SigningAlgorithm::parse(&algorithm).ok_or_else(|| corrupt("algorithm", &algorithm))?,
    })
}
