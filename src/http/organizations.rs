//! `/api/orgs`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};

use super::Api;
use super::answer::{Created, NoContent};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::keys::signing_algorithm;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::{Query, cursor};
use crate::api::Word;
use crate::api::organizations::{self as wire, CreateOrganization, IssuerChoice, OrganizationPage};
use crate::domain::access_token::Role;
use crate::domain::organization::{KeyChoice, Organization};
use crate::flows::organizations::{create_organization, delete_organization, list_organizations};
use crate::flows::start_run::issuer_of;

pub async fn create(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody<CreateOrganization>,
) -> Result<Created<wire::Organization>, Problem> {
    caller.require_admin()?;
    let body = body.json(&api).await?;
    let keys = key_choice(&body)?;
    let organization = create_organization(&api.app, &body.name, keys).await?;
    let location = format!("{}/api/orgs/{}", api.app.issuing.base_url, organization.name);
    Ok(Created { location: Some(location), body: render(&api, organization) })
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<OrganizationPage>, Problem> {
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = list_organizations(&api.app, &caller, page).await?;
    let organizations = found.items.into_iter().map(|one| render(&api, one)).collect();
    Ok(Json(OrganizationPage { organizations, next_cursor: cursor(found.next) }))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<Json<wire::Organization>, Problem> {
    Ok(Json(render(&api, caller.organization(&api.app, &org, Role::Viewer).await?)))
}

pub async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
) -> Result<NoContent, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Admin).await?;
    delete_organization(&api.app, &organization, caller.token_id()).await?;
    Ok(NoContent)
}

fn key_choice(asked: &CreateOrganization) -> Result<KeyChoice, Problem> {
    let own_issuer = match &asked.issuer {
        None | Some(Word::Known(IssuerChoice::Shared)) => false,
        Some(Word::Known(IssuerChoice::Own)) => true,
        Some(Word::Other(_)) => return Err(Problem::invalid_input("`issuer` must be `shared` or `own`.")),
    };
    Ok(KeyChoice { own_issuer, algorithm: signing_algorithm(asked.algorithm.as_ref())? })
}

fn render(api: &Api, organization: Organization) -> wire::Organization {
    let Organization { id, name, created_at, keys } = organization;
    let issuer = issuer_of(&api.app, keys, name.as_str()).as_str().to_owned();
    wire::Organization { id, name: name.to_string(), created_at, issuer, algorithm: keys.algorithm.into() }
}
