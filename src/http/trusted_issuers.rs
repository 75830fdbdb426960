//! `/api/orgs/{org}/oidc/issuers`, in the form of Pulumi Cloud's API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Api;
use super::answer::{Created, NoContent};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::{PathSegment, TwoSegments};
use super::problem::Problem;
use crate::api::trusted_issuers::{self as wire, RegisterIssuer, TrustedIssuers, UpdateIssuer};
use crate::domain::access_token::Role;
use crate::domain::organization::Organization;
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::flows::authorize::Caller;
use crate::flows::trusted_issuers::{
    IssuerDetails, delete_issuer, find_issuer, list_issuers, regenerate_thumbprints, register_issuer,
    update_issuer,
};

pub async fn register(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<RegisterIssuer>,
) -> Result<Created<wire::TrustedIssuer>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let RegisterIssuer { name, url, thumbprints, max_expiration, jwks } = body.json(&api).await?;
    let thumbprints = thumbprints.unwrap_or_default();
    let max_expiration_seconds = max_expiration.filter(|seconds| *seconds != 0);
    let details = IssuerDetails { name, thumbprints, max_expiration_seconds, jwks };
    let issuer = register_issuer(&api.app, &organization, url, details, caller.token_id()).await?;
    let (base, org) = (&api.app.issuing.base_url, &organization.name);
    let location = format!("{base}/api/orgs/{org}/oidc/issuers/{}", issuer.id);
    Ok(Created { location: Some(location), body: issuer.into() })
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<TrustedIssuers>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let all = list_issuers(&api.app, &organization).await?;
    Ok(Json(TrustedIssuers { oidc_issuers: all.into_iter().map(Into::into).collect() }))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<wire::TrustedIssuer>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(issuer.into()))
}

pub async fn update(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody<UpdateIssuer>,
) -> Result<Json<wire::TrustedIssuer>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let UpdateIssuer { name, thumbprints, max_expiration, jwks } = body.json(&api).await?;
    let details = IssuerDetails {
        name,
        thumbprints: thumbprints.unwrap_or_else(|| issuer.thumbprints.clone()),
        max_expiration_seconds: max_expiration.filter(|seconds| *seconds != 0),
        jwks: match jwks {
            None => issuer.jwks.clone(),
            Some(given) => (!given.is_null()).then_some(given),
        },
    };
    Ok(Json(update_issuer(&api.app, issuer, details, caller.token_id()).await?.into()))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<NoContent, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    delete_issuer(&api.app, &issuer, caller.token_id()).await?;
    Ok(NoContent)
}

pub async fn regenerate(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<wire::TrustedIssuer>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(regenerate_thumbprints(&api.app, issuer, caller.token_id()).await?.into()))
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

impl From<TrustedIssuer> for wire::TrustedIssuer {
    fn from(issuer: TrustedIssuer) -> Self {
        Self {
            id: issuer.id,
            name: issuer.name,
            url: issuer.url.clone(),
            issuer: issuer.url,
            thumbprints: issuer.thumbprints,
            jwks: issuer.jwks,
            max_expiration: issuer.max_expiration_seconds,
            created: issuer.created_at,
            modified: issuer.modified_at,
            last_used: issuer.last_used_at,
        }
    }
}
