//! `GET /api/user`: who the bearer of a token is, in the form that Pulumi's command line reads
//! (pulumi/pulumi, `pkg/backend/httpstate/client`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Api;
use super::credentials::Authenticated;
use super::principals::shown;
use super::problem::Problem;
use crate::api::user::{TokenInfo, User, UserOrganization, UserRole};
use crate::domain::access_token::{AccessToken, Holder, Role};
use crate::domain::organization::Organization;
use crate::domain::page::{MAX_PAGE, PageRequest};
use crate::domain::principal::PrincipalKind;
use crate::flows::organizations::list_organizations;

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<User>, Problem> {
    let token = caller.token();
    let page = PageRequest { limit: MAX_PAGE, before: None };
    let found = list_organizations(&api.app, &caller, page).await?;
    let role = if token.role >= Role::Owner { UserRole::Admin } else { UserRole::Member };
    let organizations = found.items.iter().map(|one| organization_of(one, role)).collect();
    let organization = token.organization.as_ref().map(|(_, name)| name.as_str());
    // A team's name is not a login: several users act as a team.
    let login = match &token.holder {
        Holder::Principal { kind: PrincipalKind::User, name, .. } | Holder::Runner(name) => name.as_str(),
        Holder::Principal { kind: PrincipalKind::Team, .. } | Holder::Role => organization.unwrap_or("admin"),
    };
    let rights = match &token.holder {
        Holder::Principal { rights, .. } => Some(shown(rights.clone())),
        Holder::Runner(_) | Holder::Role => None,
    };
    Ok(Json(User {
        id: token.id,
        github_login: login.to_owned(),
        name: login.to_owned(),
        email: String::new(),
        avatar_url: String::new(),
        organizations,
        identities: Vec::new(),
        // There are no passwords, and so no second factor beside them.
        has_mfa: false,
        is_org_managed: false,
        is_managed_by_multi_org: false,
        token_info: token_info(token),
        role: token.role.into(),
        expires_at: token.expires_at,
        origin: token.origin.clone().map(Into::into),
        rights,
    }))
}

fn organization_of(organization: &Organization, role: UserRole) -> UserOrganization {
    let name = organization.name.to_string();
    UserOrganization { github_login: name.clone(), name, avatar_url: String::new(), role }
}

fn token_info(token: &AccessToken) -> TokenInfo {
    let organization = token.organization.as_ref().map(|(_, name)| name.to_string());
    let mut info = TokenInfo {
        name: token.name.clone(),
        organization: organization.unwrap_or_default(),
        // Pulumi's clients need this member in every answer.
        team: String::new(),
        user: None,
        runner: None,
    };
    match &token.holder {
        Holder::Role => {}
        Holder::Principal { kind: PrincipalKind::Team, name, .. } => info.team.clone_from(name),
        Holder::Principal { kind: PrincipalKind::User, name, .. } => info.user = Some(name.clone()),
        Holder::Runner(name) => info.runner = Some(name.clone()),
    }
    info
}
