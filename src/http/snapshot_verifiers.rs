//! `/api/snapshot-verifiers`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::Api;
use super::answer::{Created, NoContent};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::keys::{issuer_named, issuer_url};
use super::path::PathSegment;
use super::problem::Problem;
use crate::api::snapshot_verifiers::{
    self as wire, AcknowledgeKeys, CreateSnapshotVerifier, SnapshotVerifiers,
};
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::flows::snapshot_verifiers::{
    SnapshotVerifierError, acknowledge, forget, list_snapshot_verifiers, register,
};

pub async fn create(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody<CreateSnapshotVerifier>,
) -> Result<Created<wire::SnapshotVerifier>, Problem> {
    caller.require_admin()?;
    let body = body.json(&api).await?;
    let issuer = issuer_named(&api, &caller, body.organization.as_deref()).await?;
    let verifier = register(&api.app, issuer, &body.name, caller.token_id()).await?;
    Ok(Created { location: None, body: render(&api, verifier) })
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<SnapshotVerifiers>, Problem> {
    caller.require_admin()?;
    let all = list_snapshot_verifiers(&api.app).await?;
    let snapshot_verifiers = all.into_iter().map(|one| render(&api, one)).collect();
    Ok(Json(SnapshotVerifiers { snapshot_verifiers }))
}

pub async fn acknowledge_keys(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
    body: UnreadBody<AcknowledgeKeys>,
) -> Result<Json<wire::SnapshotVerifier>, Problem> {
    caller.require_admin()?;
    let id = parse(&id)?;
    let body = body.json(&api).await?;
    let verifier = acknowledge(&api.app, id, body.kids, caller.token_id()).await?;
    Ok(Json(render(&api, verifier)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<NoContent, Problem> {
    caller.require_admin()?;
    forget(&api.app, parse(&id)?, caller.token_id()).await?;
    Ok(NoContent)
}

fn parse(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| SnapshotVerifierError::NoSuchVerifier.into())
}

fn render(api: &Api, verifier: SnapshotVerifier) -> wire::SnapshotVerifier {
    let SnapshotVerifier { id, issuer, name, created_at, has } = verifier;
    wire::SnapshotVerifier { id, name, issuer: issuer_url(api, issuer), created_at, has }
}
