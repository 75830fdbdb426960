//! `/api/orgs/{org}/teams` and `/api/orgs/{org}/users`. `L`, the list of an answer, says which.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Api;
use super::answer::{Created, NoContent};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::{PathSegment, TwoSegments};
use super::problem::Problem;
use crate::api::OrNewer;
use crate::api::principals::{self as wire, ChangeRights, CreatePrincipal, Teams, Users};
use crate::domain::access_token::Role;
use crate::domain::principal::{Access, Principal, PrincipalKind, Right};
use crate::flows::principals::{
    change_rights, create_principal, delete_principal, find_principal, list_principals,
};

/// All principals of one kind.
pub trait Principals {
    const KIND: PrincipalKind;
    /// The last segment of their address.
    const SEGMENT: &'static str;

    fn of(principals: Vec<wire::Principal>) -> Self;
}

impl Principals for Teams {
    const KIND: PrincipalKind = PrincipalKind::Team;
    const SEGMENT: &'static str = "teams";

    fn of(teams: Vec<wire::Principal>) -> Self {
        Self { teams }
    }
}

impl Principals for Users {
    const KIND: PrincipalKind = PrincipalKind::User;
    const SEGMENT: &'static str = "users";

    fn of(users: Vec<wire::Principal>) -> Self {
        Self { users }
    }
}

pub async fn create<L: Principals>(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<CreatePrincipal>,
) -> Result<Created<wire::Principal>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let CreatePrincipal { name, rights } = body.json(&api).await?;
    let by = caller.token_id();
    let made = create_principal(&api.app, &organization, L::KIND, &name, granted(rights), by).await?;
    let (base, org) = (&api.app.issuing.base_url, &organization.name);
    let location = format!("{base}/api/orgs/{org}/{}/{}", L::SEGMENT, made.name);
    Ok(Created { location: Some(location), body: made.into() })
}

pub async fn list<L: Principals>(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<L>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let all = list_principals(&api.app, &organization, L::KIND).await?;
    Ok(Json(L::of(all.into_iter().map(Into::into).collect())))
}

pub async fn show<L: Principals>(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, name): TwoSegments,
) -> Result<Json<wire::Principal>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    Ok(Json(find_principal(&api.app, &organization, L::KIND, &name).await?.into()))
}

pub async fn change<L: Principals>(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, name): TwoSegments,
    body: UnreadBody<ChangeRights>,
) -> Result<Json<wire::Principal>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let found = find_principal(&api.app, &organization, L::KIND, &name).await?;
    let ChangeRights { rights } = body.json(&api).await?;
    Ok(Json(change_rights(&api.app, found, granted(rights), caller.token_id()).await?.into()))
}

pub async fn remove<L: Principals>(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, name): TwoSegments,
) -> Result<NoContent, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let found = find_principal(&api.app, &organization, L::KIND, &name).await?;
    delete_principal(&api.app, &found, caller.token_id()).await?;
    Ok(NoContent)
}

fn granted(rights: Vec<wire::Right>) -> Vec<Right> {
    rights.into_iter().map(Into::into).collect()
}

impl From<Principal> for wire::Principal {
    fn from(principal: Principal) -> Self {
        Self {
            id: principal.id,
            name: principal.name,
            rights: shown(principal.rights),
            created_at: principal.created_at,
            modified_at: principal.modified_at,
        }
    }
}

pub(super) fn shown(rights: Vec<Right>) -> Vec<OrNewer<wire::Right>> {
    rights.into_iter().map(|right| OrNewer::Known(right.into())).collect()
}

impl From<wire::Right> for Right {
    fn from(wire::Right { project, stack, access }: wire::Right) -> Self {
        let access = match access {
            wire::Access::Read => Access::Read,
            wire::Access::Write => Access::Write,
        };
        Self { project, stack, access }
    }
}

impl From<Right> for wire::Right {
    fn from(Right { project, stack, access }: Right) -> Self {
        let access = match access {
            Access::Read => wire::Access::Read,
            Access::Write => wire::Access::Write,
        };
        Self { project, stack, access }
    }
}
