//! Creating, listing and revoking access tokens.

use jiff::SignedDuration;
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::access_token::{AccessToken, Holder, Role};
use crate::domain::organization::Organization;
use crate::domain::page::{Page, PageRequest};
use crate::entropy::uuid_at;
use crate::opaque_token::{OpaqueToken, TokenKind};
use crate::store::StoreError;

pub const MAX_NAME_CHARS: usize = 100;
const MIN_EXPIRES_IN: i64 = 60;
const MAX_EXPIRES_IN: i64 = 365 * 24 * 3_600;

/// A request for an access token; the name is for people.
pub struct NewAccessToken {
    pub name: String,
    pub scope: Scope,
    pub expires_in_seconds: Option<i64>,
    /// Who makes it; `None` for the program itself.
    pub created_by: Option<AccessToken>,
}

/// Where the token is valid.
pub enum Scope {
    Admin,
    Organization(Organization, Role),
}

/// The token's record, and the secret, which is in no other place than this.
pub struct CreatedAccessToken {
    pub token: AccessToken,
    pub secret: OpaqueToken,
}

#[derive(Debug, Error)]
pub enum CreateAccessTokenError {
    #[error("name has 1 to {MAX_NAME_CHARS} characters, none of them a control character")]
    Name,
    #[error("role is owner, orchestrator or viewer inside an organization")]
    Role,
    #[error(
        "expires_in_seconds is {MIN_EXPIRES_IN} to {MAX_EXPIRES_IN}, or absent for a token without an end"
    )]
    ExpiresIn,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn create_access_token(
    app: &App,
    new: NewAccessToken,
) -> Result<CreatedAccessToken, CreateAccessTokenError> {
    let NewAccessToken { name, scope, expires_in_seconds, created_by } = new;
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(CreateAccessTokenError::Name);
    }
    if expires_in_seconds.is_some_and(|seconds| !(MIN_EXPIRES_IN..=MAX_EXPIRES_IN).contains(&seconds)) {
        return Err(CreateAccessTokenError::ExpiresIn);
    }
    let (role, organization) = match scope {
        Scope::Admin => (Role::Admin, None),
        Scope::Organization(_, Role::Admin) => return Err(CreateAccessTokenError::Role),
        Scope::Organization(organization, role) => (role, Some((organization.id, organization.name))),
    };
    let now = app.clock.now();
    let asked = expires_in_seconds.map(|seconds| now + SignedDuration::from_secs(seconds));
    // A token that was exchanged for an hour must not create one that lasts longer.
    let exchanged = created_by.as_ref().filter(|creator| creator.origin.is_some());
    let expires_at = match exchanged.and_then(|creator| creator.expires_at) {
        Some(end) => Some(asked.map_or(end, |asked| asked.min(end))),
        None => asked,
    };
    let secret = OpaqueToken::generate(TokenKind::AccessToken, app.entropy.as_ref());
    let token = AccessToken {
        id: uuid_at(now, app.entropy.as_ref()),
        name,
        role,
        organization,
        created_at: now,
        expires_at,
        last_used_at: None,
        revoked_at: None,
        holder: Holder::Role,
        origin: exchanged.and_then(|creator| creator.origin.clone()),
    };
    let created_by = created_by.as_ref().map(|creator| creator.id);
    app.store.create_access_token(&token, &secret.hash(), created_by).await?;
    tracing::info!(access_token_id = %token.id, role = role.as_str(), "access token created");
    Ok(CreatedAccessToken { token, secret })
}

/// The access tokens of `organization`, or the admin tokens when it is `None`; newest first.
pub async fn list_access_tokens(
    app: &App,
    organization: Option<Uuid>,
    page: PageRequest,
) -> Result<Page<AccessToken>, StoreError> {
    app.store.access_tokens(organization, page).await
}

/// Every process refuses the token from now on. Revoking it again changes nothing.
pub async fn revoke_access_token(app: &App, token: &AccessToken, by: Uuid) -> Result<(), StoreError> {
    app.store.revoke_access_token(token.id, app.clock.now()).await?;
    tracing::info!(access_token_id = %token.id, %by, "access token revoked");
    Ok(())
}
