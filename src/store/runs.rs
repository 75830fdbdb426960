//! Runs. All but a run's state is fixed when it is registered.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use uuid::Uuid;

use super::organizations::key_choice;
use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::domain::page::{Page, PageRequest};
use crate::domain::run::{Ending, Run, RunFilter, RunState};
use crate::issuer::profile::AudienceProfiles;
use crate::opaque_token::TokenHash;

const COLUMNS: &str =
    "SELECT r.id, r.organization_id, o.name AS organization, o.own_issuer, o.algorithm, r.service, r.attributes, r.subject,
    r.claims, r.audiences, r.state, r.created_at, r.expires_at, r.ended_at, r.origin,
    r.profiles_version, r.template_values, r.cloud
    FROM runs r JOIN organizations o ON o.id = r.organization_id ";

impl Store {
    /// Registers a run, unless its organization was deleted meanwhile (`false`).
    pub async fn start_run(
        &self,
        run: &Run,
        request_token_hash: &TokenHash,
        started_by: Uuid,
    ) -> Result<bool, StoreError> {
        let insert = insert_run(run, request_token_hash, started_by)?;
        Ok(insert.execute(&self.write).await?.rows_affected() == 1)
    }

    pub async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        let sql = sqlx::AssertSqlSafe([COLUMNS, "WHERE r.id = $1"].concat());
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&self.read).await?;
        match row {
            Some(row) => Ok(Some(self.read_run(&row).await?)),
            None => Ok(None),
        }
    }

    /// The run that this request token belongs to.
    pub async fn run_of_request_token(&self, hash: &TokenHash) -> Result<Option<Run>, StoreError> {
        let sql = sqlx::AssertSqlSafe([COLUMNS, "WHERE r.request_token_hash = $1"].concat());
        let row = sqlx::query(sql).bind(hash.as_str()).fetch_optional(&self.read).await?;
        match row {
            Some(row) => Ok(Some(self.read_run(&row).await?)),
            None => Ok(None),
        }
    }

    /// The runs of an organization that match, newest first.
    pub async fn runs(
        &self,
        organization_id: Uuid,
        filter: &RunFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Run>, StoreError> {
        let sql = [
            COLUMNS,
            "WHERE r.organization_id = $1
               AND (CAST($2 AS TEXT) IS NULL OR r.id < $2)
               AND (CAST($3 AS TEXT) IS NULL OR r.service = $3)
               AND (CAST($4 AS TEXT) IS NULL OR r.subject = $4)
               AND (CAST($5 AS TEXT) IS NULL
                    OR CASE WHEN r.state = 'active' AND r.expires_at <= $6 THEN 'expired' ELSE r.state END = $5)
             ORDER BY r.id DESC LIMIT $7",
        ];
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql.concat()))
            .bind(organization_id.to_string())
            .bind(page.before_text())
            .bind(filter.service.clone())
            .bind(filter.subject.clone())
            .bind(filter.state.map(RunState::as_str))
            .bind(now.as_millisecond())
            .bind(page.fetch_limit())
            .fetch_all(&self.read)
            .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            items.push(self.read_run(row).await?);
        }
        Ok(page.page(items, |run: &Run| run.id))
    }

    /// Ends the run if it is still active at `now`, and returns it as it then is.
    pub async fn end_run(
        &self,
        id: Uuid,
        ending: Ending,
        by: Uuid,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        sqlx::query(
            "UPDATE runs SET state = $1, ended_at = $2, ended_by = $3
             WHERE id = $4 AND state = 'active' AND expires_at > $2",
        )
        .bind(ending.state().as_str())
        .bind(now.as_millisecond())
        .bind(by.to_string())
        .bind(id.to_string())
        .execute(&self.write)
        .await?;
        self.run(id).await
    }

    /// With its profiles, always: without them its tokens would say more than they may.
    async fn read_run(&self, row: &AnyRow) -> Result<Run, StoreError> {
        let organization_id = row.uuid("organization_id")?;
        read(row, self.profiles(organization_id, row.optional_integer("profiles_version")?).await?)
    }
}

/// Inserts nothing when the run's organization was deleted.
pub(super) fn insert_run(
    run: &Run,
    request_token_hash: &TokenHash,
    started_by: Uuid,
) -> Result<Query<'static, Any, AnyArguments>, StoreError> {
    let audiences = run.audiences.as_ref().map(serde_json::to_string).transpose();
    let origin = run.origin.as_ref().map(serde_json::to_string).transpose();
    let has_profiles = run.profiles.version() > 0;
    let template_values = has_profiles.then(|| serde_json::to_string(&run.template_values)).transpose();
    Ok(sqlx::query(
        "INSERT INTO runs (id, organization_id, service, attributes, subject, claims, audiences, state,
            request_token_hash, started_by, created_at, expires_at, origin, profiles_version, template_values, cloud)
         SELECT $1, o.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
         FROM organizations o WHERE o.id = $2 AND o.deleted_at IS NULL",
    )
    .bind(run.id.to_string())
    .bind(run.organization_id.to_string())
    .bind(run.service.clone())
    .bind(serde_json::to_string(&run.attributes).map_err(|error| corrupt("attributes", &error))?)
    .bind(run.subject.clone())
    .bind(serde_json::to_string(&run.claims).map_err(|error| corrupt("claims", &error))?)
    .bind(audiences.map_err(|error| corrupt("audiences", &error))?)
    .bind(run.stored_state.as_str())
    .bind(request_token_hash.as_str().to_owned())
    .bind(started_by.to_string())
    .bind(run.created_at.as_millisecond())
    .bind(run.expires_at.as_millisecond())
    .bind(origin.map_err(|error| corrupt("origin", &error))?)
    .bind(has_profiles.then(|| run.profiles.version()))
    .bind(template_values.map_err(|error| corrupt("template_values", &error))?)
    .bind((!run.cloud.is_empty()).then(|| Value::Object(run.cloud.clone()).to_string())))
}

fn read(row: &AnyRow, profiles: Arc<AudienceProfiles>) -> Result<Run, StoreError> {
    let state = row.text("state")?;
    Ok(Run {
        id: row.uuid("id")?,
        organization_id: row.uuid("organization_id")?,
        organization: row.text("organization")?,
        keys: key_choice(row)?,
        service: row.text("service")?,
        attributes: row.json("attributes")?,
        subject: row.text("subject")?,
        claims: row.json("claims")?,
        audiences: row.optional_json("audiences")?,
        profiles,
        template_values: row.optional_json("template_values")?.unwrap_or_default(),
        cloud: row.optional_json("cloud")?.unwrap_or_default(),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        ended_at: row.optional_time("ended_at")?,
        origin: row.optional_json("origin")?,
        stored_state: RunState::parse(&state).ok_or_else(|| corrupt("state", &state))?,
    })
}
