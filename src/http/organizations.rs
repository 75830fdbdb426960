//! `/api/orgs`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::Query;
use crate::domain::access_token::Role;
use crate::domain::organization::{KeyChoice, Organization};
use crate::flows::organizations::{create_organization, delete_organization, list_organizations};
use crate::flows::start_run::issuer_of;
use crate::signing::algorithm::SigningAlgorithm;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    name: String,
    /// `shared` (the default) or `own`.
    issuer: Option<String>,
    /// RS256 (the default) or ES256.
    algorithm: Option<String>,
}

impl CreateOrganization {
    fn keys(&self) -> Result<KeyChoice, Problem> {
        let own_issuer = match self.issuer.as_deref() {
            None | Some("shared") => false,
            Some("own") => true,
            Some(_) => return Err(Problem::invalid_input("`issuer` is `shared` or `own`.")),
        };
        let algorithm = match self.algorithm.as_deref() {
            None => SigningAlgorithm::default(),
            Some(text) => SigningAlgorithm::parse(text)
                .ok_or_else(|| Problem::invalid_input("`algorithm` is `RS256` or `ES256`."))?,
        };
        Ok(KeyChoice { own_issuer, algorithm })
    }
}

pub async fn create(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let body: CreateOrganization = body.json(&api).await?;
    let organization = create_organization(&api.app, &body.name, body.keys()?).await?;
    let location = format!("{}/api/orgs/{}", api.app.issuing.base_url, organization.name);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(render(&api, &organization))).into_response())
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = list_organizations(&api.app, &caller, page).await?;
    let organizations: Vec<Value> = found.items.iter().map(|one| render(&api, one)).collect();
    Ok(Json(json!({"organizations": organizations, "next_cursor": found.next})))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<Value>, Problem> {
    Ok(Json(render(&api, &caller.organization(&api.app, &org, Role::Viewer).await?)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<StatusCode, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Admin).await?;
    delete_organization(&api.app, &organization, caller.token_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn render(api: &Api, organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "created_at": organization.created_at,
        "issuer": issuer_of(&api.app, organization.keys, organization.name.as_str()).as_str(),
        "algorithm": organization.keys.algorithm.as_str(),
    })
}
