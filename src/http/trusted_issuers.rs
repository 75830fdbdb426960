//! `/api/orgs/{org}/oidc/issuers`, in the form of Pulumi Cloud's API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::{PathSegment, TwoSegments};
use super::problem::Problem;
use crate::domain::access_token::Role;
use crate::domain::organization::Organization;
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::flows::authorize::Caller;
use crate::flows::trusted_issuers::{
    IssuerDetails, delete_issuer, find_issuer, list_issuers, regenerate_thumbprints, register_issuer,
    update_issuer,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Register {
    name: String,
    url: String,
    thumbprints: Option<Vec<String>>,
    /// Seconds. Clients with a field for it say 0 where nothing is said.
    max_expiration: Option<i64>,
    jwks: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Update {
    name: String,
    thumbprints: Option<Vec<String>>,
    max_expiration: Option<i64>,
    /// `null` has the key set fetched again; absent leaves it as it is.
    #[serde(default, deserialize_with = "member")]
    jwks: Option<Value>,
}

/// A member as it stands there, also if that is `null`.
fn member<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub async fn register(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody,
) -> Result<Response, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let Register { name, url, thumbprints, max_expiration, jwks } = body.json(&api).await?;
    let thumbprints = thumbprints.unwrap_or_default();
    let max_expiration_seconds = max_expiration.filter(|seconds| *seconds != 0);
    let details = IssuerDetails { name, thumbprints, max_expiration_seconds, jwks };
    let issuer = register_issuer(&api.app, &organization, url, details, caller.token_id()).await?;
    let (base, org) = (&api.app.issuing.base_url, &organization.name);
    let location = format!("{base}/api/orgs/{org}/oidc/issuers/{}", issuer.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(render(&issuer))).into_response())
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let all = list_issuers(&api.app, &organization).await?;
    Ok(Json(json!({"oidcIssuers": all.iter().map(render).collect::<Vec<_>>()})))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<Value>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(render(&issuer)))
}

pub async fn update(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let Update { name, thumbprints, max_expiration, jwks } = body.json(&api).await?;
    let details = IssuerDetails {
        name,
        thumbprints: thumbprints.unwrap_or_else(|| issuer.thumbprints.clone()),
        max_expiration_seconds: max_expiration.filter(|seconds| *seconds != 0),
        jwks: match jwks {
            None => issuer.jwks.clone(),
            Some(given) => (!given.is_null()).then_some(given),
        },
    };
    Ok(Json(render(&update_issuer(&api.app, issuer, details, caller.token_id()).await?)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<StatusCode, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    delete_issuer(&api.app, &issuer, caller.token_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn regenerate(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<Value>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(render(&regenerate_thumbprints(&api.app, issuer, caller.token_id()).await?)))
}

/// The issuer of this id, for an owner of the organization.
pub(super) async fn for_owner(
    api: &Api,
    caller: &Caller,
    org: &str,
    id: &str,
) -> Result<(Organization, TrustedIssuer), Problem> {
    let organization = caller.organization(&api.app, org, Role::Owner).await?;
    let issuer = find_issuer(&api.app, &organization, id).await?;
    Ok((organization, issuer))
}

fn render(issuer: &TrustedIssuer) -> Value {
    json!({
        "id": issuer.id,
        "name": issuer.name,
        "url": issuer.url,
        "issuer": issuer.url,
        "thumbprints": issuer.thumbprints,
        "jwks": issuer.jwks,
        "maxExpiration": issuer.max_expiration_seconds,
        "created": issuer.created_at,
        "modified": issuer.modified_at,
        "lastUsed": issuer.last_used_at,
    })
}
