//! Documents of organizations whose versions stay: audience profiles and cloud settings.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::document::{Document, DocumentKind};
use crate::domain::id_token::MintedFormat;
use crate::issuer::profile::{AudienceProfiles, ProfileDefinitions};

/// A version on its way into the record.
pub struct NewDocument<'d> {
    pub kind: DocumentKind,
    pub organization_id: Uuid,
    /// The version that it takes the place of; 0 for none.
    pub replaces: i64,
    pub content: &'d Value,
    pub by: Uuid,
    pub now: Timestamp,
    /// Whether it wants ES256 beside what its organization has.
    pub wants_es256: bool,
}

/// How an organization's runs of this moment begin.
#[derive(Default)]
pub struct StartingPoint {
    pub profiles: Arc<AudienceProfiles>,
    /// As they were written; empty where there are none.
    pub cloud_settings: Option<Value>,
}

impl Store {
    /// The version in force; `None` before the first.
    pub async fn document(
        &self,
        kind: DocumentKind,
        organization_id: Uuid,
    ) -> Result<Option<Document>, StoreError> {
        let (table, column) = table_and_column(kind);
        let sql = format!(
            "SELECT version, {column} AS content, created_at FROM {table}
             WHERE organization_id = $1 ORDER BY version DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(organization_id.to_string())
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| {
            Ok(Document {
                version: row.integer("version")?,
                content: row.json("content")?,
                created_at: row.time("created_at")?,
            })
        })
        .transpose()
    }

    /// The contents of the last versions, newest first.
    pub async fn last_documents(
        &self,
        kind: DocumentKind,
        organization_id: Uuid,
        limit: i64,
    ) -> Result<Vec<Value>, StoreError> {
        let (table, column) = table_and_column(kind);
        let sql = format!(
            "SELECT {column} AS content FROM {table} WHERE organization_id = $1 ORDER BY version DESC LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization_id.to_string()).bind(limit);
        query.fetch_all(&self.read).await?.iter().map(|row| row.json("content")).collect()
    }

    /// Writes the next version; `false` if another caller wrote first, or the organization was deleted.
    pub async fn replace_document(&self, new: NewDocument<'_>) -> Result<bool, StoreError> {
        let (table, column) = table_and_column(new.kind);
        // Two at once: the primary key lets one through.
        let sql = format!(
            "INSERT INTO {table} (organization_id, version, {column}, created_at, created_by)
             SELECT o.id, $2, $3, $4, $5 FROM organizations o
             WHERE o.id = $1 AND o.deleted_at IS NULL
               AND (SELECT COALESCE(MAX(d.version), 0) FROM {table} d WHERE d.organization_id = o.id) = $6
             ON CONFLICT DO NOTHING"
        );
        let insert = sqlx::query(AssertSqlSafe(sql))
            .bind(new.organization_id.to_string())
            .bind(new.replaces.saturating_add(1))
            .bind(new.content.to_string())
            .bind(new.now.as_millisecond())
            .bind(new.by.to_string())
            .bind(new.replaces);
        if !new.wants_es256 {
            return Ok(insert.execute(&self.write).await?.rows_affected() == 1);
        }
        // Every process must learn of the keys that it needs.
        let organization_id = new.organization_id.to_string();
        self.change_keys(move |change| {
            Box::pin(async move {
                if !change.keep_if_one(insert).await? {
                    return Ok(false);
                }
                let sql = "UPDATE organizations SET es256_too = 1 WHERE id = $1";
                change.execute(sqlx::query(sql).bind(organization_id)).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The profiles and cloud settings for a run that starts now.
    pub async fn starting_point(&self, organization_id: Uuid) -> Result<StartingPoint, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT MAX(p.version) FROM audience_profiles p WHERE p.organization_id = $1) AS profiles_version,
                    (SELECT c.settings FROM cloud_settings c WHERE c.organization_id = $1
                     ORDER BY c.version DESC LIMIT 1) AS settings",
        )
        .bind(organization_id.to_string())
        .fetch_one(&self.read)
        .await?;
        let settings = row.optional_text("settings")?;
        let settings = settings.map(|text| serde_json::from_str(&text)).transpose();
        Ok(StartingPoint {
            profiles: self.profiles(organization_id, row.optional_integer("profiles_version")?).await?,
            cloud_settings: settings.map_err(|error| corrupt("settings", &error))?,
        })
    }

    /// This version of an organization's profiles. A version never changes: it is read once.
    pub(super) async fn profiles(
        &self,
        organization_id: Uuid,
        version: Option<i64>,
    ) -> Result<Arc<AudienceProfiles>, StoreError> {
        let Some(version) = version else { return Ok(Arc::default()) };
        if let Some(profiles) = self.profiles.get(&(organization_id, version)) {
            return Ok(profiles);
        }
        let sql = "SELECT profiles FROM audience_profiles WHERE organization_id = $1 AND version = $2";
        let row = sqlx::query(sql)
            .bind(organization_id.to_string())
            .bind(version)
            .fetch_optional(&self.read)
            .await?;
        // Without them its tokens would say more than they may.
        let row = row.ok_or_else(|| corrupt("profiles_version", &"there is no such version"))?;
        let definitions: ProfileDefinitions = row.json("profiles")?;
        let profiles = AudienceProfiles::compile(version, &definitions);
        let profiles = Arc::new(profiles.map_err(|error| corrupt("profiles", &error))?);
        self.profiles.insert((organization_id, version), Arc::clone(&profiles));
        Ok(profiles)
    }

    /// The tokens of an organization's last `runs` runs, by run, audience and the template of their subject.
    pub async fn minted_formats(
        &self,
        organization_id: Uuid,
        audience: Option<&str>,
        runs: i64,
    ) -> Result<Vec<MintedFormat>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.id, r.service, r.attributes, t.audience, t.subject_format,
                COUNT(*) AS tokens, MAX(t.minted_at) AS last_minted_at
             FROM (SELECT id, service, attributes FROM runs WHERE organization_id = $1
                   ORDER BY id DESC LIMIT $2) r
             JOIN id_tokens t ON t.run_id = r.id
             WHERE CAST($3 AS TEXT) IS NULL OR t.audience = $3
             GROUP BY r.id, r.service, r.attributes, t.audience, t.subject_format
             ORDER BY r.id DESC",
        )
        .bind(organization_id.to_string())
        .bind(runs)
        .bind(audience.map(str::to_owned))
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(MintedFormat {
                    run_id: row.uuid("id")?,
                    service: row.text("service")?,
                    attributes: row.json("attributes")?,
                    audience: row.text("audience")?,
                    format: row.optional_text("subject_format")?,
                    tokens: row.integer("tokens")?,
                    last_minted_at: row.time("last_minted_at")?,
                })
            })
            .collect()
    }
}

fn table_and_column(kind: DocumentKind) -> (&'static str, &'static str) {
    match kind {
        DocumentKind::AudienceProfiles => ("audience_profiles", "profiles"),
        DocumentKind::CloudSettings => ("cloud_settings", "settings"),
    }
}
