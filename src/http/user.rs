//! `GET /api/user`: who the bearer of a token is, in the form that Pulumi's command line reads
//! (pulumi/pulumi, `pkg/backend/httpstate/client`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Api;
use super::credentials::Authenticated;
use super::problem::Problem;
use crate::store::access_tokens::Holder;
use crate::store::page::{MAX_PAGE, PageRequest};
use crate::store::principals::PrincipalKind;

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Value>, Problem> {
    let token = caller.token();
    let page = PageRequest { limit: MAX_PAGE, before: None };
    let found = api.app.store.organizations(caller.only_organization(), page).await?;
    let organizations: Vec<Value> = found
        .items
        .iter()
        .map(|one| json!({"githubLogin": one.name, "name": one.name, "avatarUrl": ""}))
        .collect();
    let organization = token.organization.as_ref().map(|(_, name)| name.as_str());
    let (login, team) = match &token.holder {
        Holder::Principal { kind: PrincipalKind::User, name, .. } => (name.as_str(), None),
        Holder::Principal { kind: PrincipalKind::Team, name, .. } => {
            (organization.unwrap_or(name), Some(name.as_str()))
        }
        Holder::Runner(runner) => (runner.as_str(), None),
        Holder::Role => (organization.unwrap_or("admin"), None),
    };
    let mut body = json!({
        "id": token.id,
        "githubLogin": login,
        "name": login,
        "email": "",
        "avatarUrl": "",
        "organizations": organizations,
        "identities": [],
        "tokenInfo": {"name": token.name, "organization": organization.unwrap_or_default()},
        "role": token.role.as_str(),
        "expires_at": token.expires_at,
        "origin": token.origin,
    });
    if let Some(team) = team {
        body["tokenInfo"]["team"] = team.into();
    }
    if let Holder::Principal { rights, .. } = &token.holder {
        body["rights"] = json!(rights);
    }
    Ok(Json(body))
}
