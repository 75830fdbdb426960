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
use crate::flows::organizations::create_organization;
use crate::store::access_tokens::Role;
use crate::store::organizations::Organization;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    name: String,
}

pub async fn create(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let body: CreateOrganization = body.json(&api).await?;
    let organization = create_organization(&api.app, &body.name).await?;
    let location = format!("{}/api/orgs/{}", api.app.base_url, organization.name);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(render(&organization))).into_response())
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = api.app.store.organizations(caller.only_organization(), page).await?;
    let organizations: Vec<Value> = found.items.iter().map(render).collect();
    Ok(Json(json!({"organizations": organizations, "next_cursor": found.next})))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<Value>, Problem> {
    Ok(Json(render(&caller.organization(&api.app, &org, Role::Viewer).await?)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<StatusCode, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Admin).await?;
    let now = api.app.clock.now();
    api.app.store.delete_organization(organization.id, caller.token_id(), now).await?;
    tracing::info!(organization = %organization.name, by = %caller.token_id(), "organization deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn render(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "created_at": organization.created_at,
    })
}
