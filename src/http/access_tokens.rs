//! `/api/access-tokens` and `/api/orgs/{org}/access-tokens`

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
use crate::domain::access_token::{AccessToken, Role};
use crate::flows::access_tokens::{
    CreateAccessTokenError, NewAccessToken, Scope, create_access_token, list_access_tokens,
    revoke_access_token,
};
use crate::flows::authorize::Caller;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAdminToken {
    name: String,
    expires_in_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganizationToken {
    name: String,
    role: String,
    expires_in_seconds: Option<i64>,
}

pub async fn create_admin(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let body: CreateAdminToken = body.json(&api).await?;
    create(&api, &caller, body.name, Scope::Admin, body.expires_in_seconds).await
}

pub async fn create_in_organization(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody,
) -> Result<Response, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let body: CreateOrganizationToken = body.json(&api).await?;
    let role = Role::parse(&body.role).ok_or(CreateAccessTokenError::Role)?;
    let scope = Scope::Organization(organization, role);
    create(&api, &caller, body.name, scope, body.expires_in_seconds).await
}

async fn create(
    api: &Api,
    caller: &Caller,
    name: String,
    scope: Scope,
    expires_in_seconds: Option<i64>,
) -> Result<Response, Problem> {
    let new = NewAccessToken { name, scope, expires_in_seconds, created_by: Some(caller.token().clone()) };
    let created = create_access_token(&api.app, new).await?;
    let mut body = render(&created.token);
    body["access_token"] = created.secret.expose().into();
    let location = format!("{}/api/access-tokens/{}", api.app.issuing.base_url, created.token.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(body)).into_response())
}

pub async fn list_admin(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    list(&api, None, query.as_deref()).await
}

pub async fn list_of_organization(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    list(&api, Some(organization.id), query.as_deref()).await
}

async fn list(
    api: &Api,
    organization: Option<uuid::Uuid>,
    query: Option<&str>,
) -> Result<Json<Value>, Problem> {
    let page = Query::parse(query, &["limit", "cursor"])?.page()?;
    let found = list_access_tokens(&api.app, organization, page).await?;
    let tokens: Vec<Value> = found.items.iter().map(render).collect();
    Ok(Json(json!({"access_tokens": tokens, "next_cursor": found.next})))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<Value>, Problem> {
    Ok(Json(render(&caller.access_token(&api.app, &id).await?)))
}

pub async fn revoke(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<StatusCode, Problem> {
    let token = caller.access_token(&api.app, &id).await?;
    revoke_access_token(&api.app, &token, caller.token_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn render(token: &AccessToken) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "role": token.role.as_str(),
        "organization": token.organization.as_ref().map(|(_, name)| name.as_str()),
        "holder": token.holder.named().map(|(kind, name)| json!({"kind": kind, "name": name})),
        "origin": token.origin,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    })
}
