//! `/api/orgs/{org}/cloud-settings`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use crate::domain::access_token::Role;
use crate::domain::document::Document;
use crate::flows::cloud_settings::{CloudEntry, cloud_settings, replace_cloud_settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The version that these take the place of.
    version: i64,
    settings: Vec<CloudEntry>,
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let mut shown = render(cloud_settings(&api.app, &organization).await?);
    // A team learns of no other's projects.
    if let Some(entries) = shown["settings"].as_array_mut() {
        entries.retain(|entry| caller.may_see_runs_of(entry["project"].as_str(), entry["stack"].as_str()));
    }
    Ok(Json(shown))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let Replace { version, settings } = body.json(&api).await?;
    let saved = replace_cloud_settings(&api.app, &organization, version, settings, caller.token_id()).await?;
    Ok(Json(render(Some(saved))))
}

fn render(document: Option<Document>) -> Value {
    match document {
        Some(Document { version, content, created_at }) => {
            json!({"version": version, "settings": content, "modified_at": created_at})
        }
        None => json!({"version": 0, "settings": [], "modified_at": null}),
    }
}
