//! `/api/access-tokens` and `/api/orgs/{org}/access-tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};

use super::Api;
use super::answer::{Created, NoContent};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::{Query, cursor};
use crate::api::Word;
use crate::api::access_tokens::{
    self as wire, AccessTokenPage, CreateAccessToken, CreateAdminToken, CreatedAccessToken, HolderKind,
    OrganizationRole,
};
use crate::domain::access_token::{AccessToken, Holder, Origin, Role};
use crate::domain::principal::PrincipalKind;
use crate::flows::access_tokens::{
    CreateAccessTokenError, NewAccessToken, Scope, create_access_token, list_access_tokens,
    revoke_access_token,
};
use crate::flows::authorize::Caller;

pub async fn create_admin(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody<CreateAdminToken>,
) -> Result<Created<CreatedAccessToken>, Problem> {
    caller.require_admin()?;
    let body = body.json(&api).await?;
    create(&api, &caller, body.name, Scope::Admin, body.expires_in_seconds).await
}

pub async fn create_in_organization(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<CreateAccessToken>,
) -> Result<Created<CreatedAccessToken>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let body = body.json(&api).await?;
    let role = match body.role {
        Word::Known(OrganizationRole::Owner) => Role::Owner,
        Word::Known(OrganizationRole::Orchestrator) => Role::Orchestrator,
        Word::Known(OrganizationRole::Viewer) => Role::Viewer,
        Word::Other(_) => return Err(CreateAccessTokenError::Role.into()),
    };
    let scope = Scope::Organization(organization, role);
    create(&api, &caller, body.name, scope, body.expires_in_seconds).await
}

async fn create(
    api: &Api,
    caller: &Caller,
    name: String,
    scope: Scope,
    expires_in_seconds: Option<i64>,
) -> Result<Created<CreatedAccessToken>, Problem> {
    let new = NewAccessToken { name, scope, expires_in_seconds, created_by: Some(caller.token().clone()) };
    let created = create_access_token(&api.app, new).await?;
    let location = format!("{}/api/access-tokens/{}", api.app.issuing.base_url, created.token.id);
    let access_token = created.secret.expose().to_owned();
    let body = CreatedAccessToken { token: created.token.into(), access_token };
    Ok(Created { location: Some(location), body })
}

pub async fn list_admin(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<AccessTokenPage>, Problem> {
    caller.require_admin()?;
    list(&api, None, query.as_deref()).await
}

pub async fn list_of_organization(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<AccessTokenPage>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    list(&api, Some(organization.id), query.as_deref()).await
}

async fn list(
    api: &Api,
    organization: Option<uuid::Uuid>,
    query: Option<&str>,
) -> Result<Json<AccessTokenPage>, Problem> {
    let page = Query::parse(query, &["limit", "cursor"])?.page()?;
    let found = list_access_tokens(&api.app, organization, page).await?;
    let access_tokens = found.items.into_iter().map(Into::into).collect();
    Ok(Json(AccessTokenPage { access_tokens, next_cursor: cursor(found.next) }))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<wire::AccessToken>, Problem> {
    Ok(Json(caller.access_token(&api.app, &id).await?.into()))
}

pub async fn revoke(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<NoContent, Problem> {
    let token = caller.access_token(&api.app, &id).await?;
    revoke_access_token(&api.app, &token, caller.token_id()).await?;
    Ok(NoContent)
}

impl From<AccessToken> for wire::AccessToken {
    fn from(token: AccessToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: token.role.into(),
            organization: token.organization.map(|(_, name)| name.to_string()),
            holder: holder(token.holder),
            origin: token.origin.map(Into::into),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

fn holder(holder: Holder) -> Option<wire::Holder> {
    let (kind, name) = match holder {
        Holder::Role => return None,
        Holder::Principal { kind: PrincipalKind::Team, name, .. } => (HolderKind::Team, name),
        Holder::Principal { kind: PrincipalKind::User, name, .. } => (HolderKind::User, name),
        Holder::Runner(name) => (HolderKind::Runner, name),
    };
    Some(wire::Holder { kind, name })
}

impl From<Role> for wire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
            Role::Orchestrator => Self::Orchestrator,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl From<Origin> for wire::Origin {
    fn from(Origin { issuer, subject, jti }: Origin) -> Self {
        Self { issuer, subject, jti }
    }
}
