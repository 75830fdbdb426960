//! `/api/orgs/{org}/audience-profiles`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::Query;
use crate::domain::access_token::Role;
use crate::domain::document::Document;
use crate::domain::principal::Access;
use crate::flows::audience_profiles::{
    MAX_RUNS_REPORTED, Usage, audience_profiles, replace_audience_profiles, usage,
};
use crate::issuer::profile::ProfileDefinitions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The version that these take the place of.
    version: i64,
    profiles: ProfileDefinitions,
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    Ok(Json(render(audience_profiles(&api.app, &organization).await?)))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let Replace { version, profiles } = body.json(&api).await?;
    let by = caller.token_id();
    let saved = replace_audience_profiles(&api.app, &organization, version, &profiles, by).await?;
    Ok(Json(render(Some(saved))))
}

pub async fn used(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience", "runs"])?;
    let runs = query.number("runs")?.unwrap_or(MAX_RUNS_REPORTED);
    let is_visible = |attributes: &_| caller.covers(attributes, Access::Read);
    let found = usage(&api.app, &organization, query.text("audience"), runs, is_visible).await?;
    Ok(Json(json!({"formats": found.iter().map(render_usage).collect::<Vec<_>>()})))
}

fn render(document: Option<Document>) -> Value {
    match document {
        Some(Document { version, content, created_at }) => {
            json!({"version": version, "profiles": content, "modified_at": created_at})
        }
        None => json!({"version": 0, "profiles": {}, "modified_at": null}),
    }
}

fn render_usage(usage: &Usage) -> Value {
    json!({
        "audience": usage.audience,
        "service": usage.service,
        "subject": usage.format,
        "is_services_own": usage.is_services_own,
        "tokens": usage.tokens,
        "runs": usage.runs,
        "projects": usage.projects,
        "last_minted_at": usage.last_minted_at,
        "last_run": usage.last_run_id,
    })
}
