//! `/api/snapshot-verifiers`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::keys::{issuer_named, issuer_url};
use super::path::PathSegment;
use super::problem::Problem;
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::flows::snapshot_verifiers::{
    SnapshotVerifierError, acknowledge, forget, list_snapshot_verifiers, register,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSnapshotVerifier {
    name: String,
    /// `None` for the shared issuer.
    organization: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Those of the key set that was uploaded.
    kids: Vec<String>,
}

pub async fn create(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let body: CreateSnapshotVerifier = body.json(&api).await?;
    let issuer = issuer_named(&api, &caller, body.organization.as_deref()).await?;
    let verifier = register(&api.app, issuer, &body.name, caller.token_id()).await?;
    Ok((StatusCode::CREATED, Json(render(&api, &verifier))).into_response())
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let all = list_snapshot_verifiers(&api.app).await?;
    let verifiers: Vec<Value> = all.iter().map(|one| render(&api, one)).collect();
    Ok(Json(json!({"snapshot_verifiers": verifiers})))
}

pub async fn acknowledge_keys(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let id = parse(&id)?;
    let body: Acknowledge = body.json(&api).await?;
    let verifier = acknowledge(&api.app, id, body.kids, caller.token_id()).await?;
    Ok(Json(render(&api, &verifier)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<StatusCode, Problem> {
    caller.require_admin()?;
    forget(&api.app, parse(&id)?, caller.token_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| SnapshotVerifierError::NoSuchVerifier.into())
}

fn render(api: &Api, verifier: &SnapshotVerifier) -> Value {
    json!({
        "id": verifier.id,
        "name": verifier.name,
        "issuer": issuer_url(api, verifier.issuer),
        "created_at": verifier.created_at,
        "has": verifier.has,
    })
}
