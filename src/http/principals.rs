//! `/api/orgs/{org}/teams` and `/api/orgs/{org}/users`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::{PathSegment, TwoSegments};
use super::problem::Problem;
use crate::domain::access_token::Role;
use crate::domain::principal::{Principal, PrincipalKind, Right};
use crate::flows::principals::{
    change_rights, create_principal, delete_principal, find_principal, list_principals,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    name: String,
    #[serde(default)]
    rights: Vec<Right>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    rights: Vec<Right>,
}

/// The member of a list's answer.
fn plural(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Team => "teams",
        PrincipalKind::User => "users",
    }
}

pub fn create(kind: PrincipalKind) -> MethodRouter<Arc<Api>> {
    post(
        async move |State(api): State<Arc<Api>>,
                    Authenticated(caller): Authenticated,
                    PathSegment(org): PathSegment,
                    body: UnreadBody|
                    -> Result<Response, Problem> {
            let organization = caller.organization(&api.app, &org, Role::Owner).await?;
            let Create { name, rights } = body.json(&api).await?;
            let by = caller.token_id();
            let made = create_principal(&api.app, &organization, kind, &name, rights, by).await?;
            let (base, org) = (&api.app.issuing.base_url, &organization.name);
            let location = format!("{base}/api/orgs/{org}/{}/{}", plural(kind), made.name);
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(render(&made))).into_response())
        },
    )
}

pub fn list(kind: PrincipalKind) -> MethodRouter<Arc<Api>> {
    get(
        async move |State(api): State<Arc<Api>>,
                    Authenticated(caller): Authenticated,
                    PathSegment(org): PathSegment|
                    -> Result<Json<Value>, Problem> {
            let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
            let all = list_principals(&api.app, &organization, kind).await?;
            Ok(Json(json!({ plural(kind): all.iter().map(render).collect::<Vec<_>>() })))
        },
    )
}

pub fn show(kind: PrincipalKind) -> MethodRouter<Arc<Api>> {
    get(
        async move |State(api): State<Arc<Api>>,
                    Authenticated(caller): Authenticated,
                    TwoSegments(org, name): TwoSegments|
                    -> Result<Json<Value>, Problem> {
            let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
            Ok(Json(render(&find_principal(&api.app, &organization, kind, &name).await?)))
        },
    )
}

pub fn change(kind: PrincipalKind) -> MethodRouter<Arc<Api>> {
    patch(
        async move |State(api): State<Arc<Api>>,
                    Authenticated(caller): Authenticated,
                    TwoSegments(org, name): TwoSegments,
                    body: UnreadBody|
                    -> Result<Json<Value>, Problem> {
            let organization = caller.organization(&api.app, &org, Role::Owner).await?;
            let found = find_principal(&api.app, &organization, kind, &name).await?;
            let Change { rights } = body.json(&api).await?;
            Ok(Json(render(&change_rights(&api.app, found, rights, caller.token_id()).await?)))
        },
    )
}

pub fn remove(kind: PrincipalKind) -> MethodRouter<Arc<Api>> {
    delete(
        async move |State(api): State<Arc<Api>>,
                    Authenticated(caller): Authenticated,
                    TwoSegments(org, name): TwoSegments|
                    -> Result<StatusCode, Problem> {
            let organization = caller.organization(&api.app, &org, Role::Owner).await?;
            let found = find_principal(&api.app, &organization, kind, &name).await?;
            delete_principal(&api.app, &found, caller.token_id()).await?;
            Ok(StatusCode::NO_CONTENT)
        },
    )
}

fn render(principal: &Principal) -> Value {
    json!({
        "id": principal.id,
        "name": principal.name,
        "rights": principal.rights,
        "created_at": principal.created_at,
        "modified_at": principal.modified_at,
    })
}
