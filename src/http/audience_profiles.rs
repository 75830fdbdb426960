//! `/api/orgs/{org}/audience-profiles`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use indexmap::IndexMap;

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::Query;
use crate::api::audience_profiles::{
    ProfileDocument, ReplaceAudienceProfiles, SubjectFormat, SubjectFormats,
};
use crate::domain::access_token::Role;
use crate::domain::document::Document;
use crate::domain::principal::Access;
use crate::flows::audience_profiles::{
    AudienceProfilesError, MAX_RUNS_REPORTED, Usage, audience_profiles, replace_audience_profiles, usage,
};

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<ProfileDocument>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    Ok(Json(render(audience_profiles(&api.app, &organization).await?)?))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<ReplaceAudienceProfiles>,
) -> Result<Json<ProfileDocument>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let ReplaceAudienceProfiles { version, profiles } = body.json(&api).await?;
    let by = caller.token_id();
    let saved = replace_audience_profiles(&api.app, &organization, version, &profiles, by).await?;
    Ok(Json(render(Some(saved))?))
}

pub async fn used(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<SubjectFormats>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience", "runs"])?;
    let runs = query.number("runs")?.unwrap_or(MAX_RUNS_REPORTED);
    let is_visible = |attributes: &_| caller.covers(attributes, Access::Read);
    let found = usage(&api.app, &organization, query.text("audience"), runs, is_visible).await?;
    Ok(Json(SubjectFormats { formats: found.into_iter().map(Into::into).collect() }))
}

fn render(document: Option<Document>) -> Result<ProfileDocument, AudienceProfilesError> {
    let Some(Document { version, content, created_at }) = document else {
        return Ok(ProfileDocument { version: 0, profiles: IndexMap::new(), modified_at: None });
    };
    let profiles = serde_json::from_value(content)?;
    Ok(ProfileDocument { version, profiles, modified_at: Some(created_at) })
}

impl From<Usage> for SubjectFormat {
    fn from(usage: Usage) -> Self {
        Self {
            audience: usage.audience,
            service: usage.service,
            subject: usage.format,
            is_services_own: usage.is_services_own,
            tokens: usage.tokens,
            runs: usage.runs,
            projects: usage.projects.into_iter().collect(),
            last_minted_at: usage.last_minted_at,
            last_run: usage.last_run_id,
        }
    }
}
