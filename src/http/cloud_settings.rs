//! `/api/orgs/{org}/cloud-settings`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use crate::api::OrNewer;
use crate::api::cloud_settings::{CloudDocument, ReplaceCloudSettings};
use crate::domain::access_token::Role;
use crate::domain::document::Document;
use crate::flows::cloud_settings::{CloudSettingsError, cloud_settings, replace_cloud_settings};

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<CloudDocument>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let mut shown = render(cloud_settings(&api.app, &organization).await?)?;
    // A team must not learn about projects that it has no rights to.
    shown.settings.retain(|entry| match entry {
        OrNewer::Known(entry) => caller.may_see_runs_of(entry.project.as_deref(), entry.stack.as_deref()),
        OrNewer::Newer(entry) => caller.may_see_runs_of(entry["project"].as_str(), entry["stack"].as_str()),
    });
    Ok(Json(shown))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<ReplaceCloudSettings>,
) -> Result<Json<CloudDocument>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let ReplaceCloudSettings { version, settings } = body.json(&api).await?;
    let saved = replace_cloud_settings(&api.app, &organization, version, settings, caller.token_id()).await?;
    Ok(Json(render(Some(saved))?))
}

fn render(document: Option<Document>) -> Result<CloudDocument, CloudSettingsError> {
    let Some(Document { version, content, created_at }) = document else {
        return Ok(CloudDocument { version: 0, settings: Vec::new(), modified_at: None });
    };
    let settings = serde_json::from_value(content).map_err(CloudSettingsError::Saved)?;
    Ok(CloudDocument { version, settings, modified_at: Some(created_at) })
}
