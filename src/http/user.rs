//! `GET /api/user`: who the bearer of a token is, in the form that Pulumi's command line reads
//! (pulumi/pulumi, `pkg/backend/httpstate/client`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Api;
use super::credentials::Authenticated;
use super::problem::Problem;
use crate::domain::access_token::{Holder, Role};
use crate::domain::page::{MAX_PAGE, PageRequest};
use crate::domain::principal::PrincipalKind;
use crate::flows::organizations::list_organizations;

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Value>, Problem> {
    let token = caller.token();
    let page = PageRequest { limit: MAX_PAGE, before: None };
    let found = list_organizations(&api.app, &caller, page).await?;
    let role = if token.role >= Role::Owner { "admin" } else { "member" };
    let organizations: Vec<Value> = found
        .items
        .iter()
        .map(|one| json!({"githubLogin": one.name, "name": one.name, "avatarUrl": "", "role": role}))
        .collect();
    let organization = token.organization.as_ref().map(|(_, name)| name.as_str());
    // Several act as a team, so that its name is nobody's login.
    let login = match &token.holder {
        Holder::Principal { kind: PrincipalKind::User, name, .. } | Holder::Runner(name) => name.as_str(),
        Holder::Principal { kind: PrincipalKind::Team, .. } | Holder::Role => organization.unwrap_or("admin"),
    };
    let mut body = json!({
        "id": token.id,
        "githubLogin": login,
        "name": login,
        "email": "",
        "avatarUrl": "",
        "organizations": organizations,
        "identities": [],
        // Nobody logs in here with a password.
        "hasMFA": false,
        "isOrgManaged": false,
        "isManagedByMultiOrg": false,
        // Pulumi's clients want `team` also where there is none.
        "tokenInfo": {"name": token.name, "organization": organization.unwrap_or_default(), "team": ""},
        "role": token.role.as_str(),
        "expires_at": token.expires_at,
        "origin": token.origin,
    });
    if let Some((kind, name)) = token.holder.named() {
        body["tokenInfo"][kind] = name.into();
    }
    if let Holder::Principal { rights, .. } = &token.holder {
        body["rights"] = json!(rights);
    }
    Ok(Json(body))
}
