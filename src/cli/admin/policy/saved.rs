//! The policies that the server has for an issuer.

use serde_json::{Value, json};

use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::id;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::table::cell;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::Policy;

/// Puts these in the place of all policies of an issuer.
pub(in crate::cli) async fn put(
    client: &Client,
    org: &OrganizationName,
    issuer: &Value,
    policies: &[Policy],
) -> Result<Value, Failure> {
    let current = client.get(&of_issuer(org, issuer)).await?;
    let id = id(&cell(&current["id"]))?;
    client.patch(&format!("/api/orgs/{org}/auth/policies/{id}"), &json!({"policies": policies})).await
}

pub(in crate::cli) fn take_policies(saved: &mut Value) -> Value {
    saved.get_mut("policies").map(Value::take).unwrap_or_default()
}

/// The address of an issuer's policies.
pub(super) fn of_issuer(org: &OrganizationName, issuer: &Value) -> String {
    format!("/api/orgs/{org}/auth/policies/oidcissuers/{}", cell(&issuer["id"]))
}
