//! The policies that the server has for an issuer.

use uuid::Uuid;

use crate::api::policies::{IssuerPolicies, ReplacePolicies};
use crate::cli::api::answer::Answer;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::{Policy, PolicyDocument};

/// Replaces all policies of an issuer.
pub(in crate::cli) async fn put(
    client: &Client,
    org: &OrganizationName,
    issuer: Uuid,
    policies: &[Policy],
) -> Result<Answer<IssuerPolicies>, Failure> {
    let current = client.get::<IssuerPolicies>(&of_issuer(org, issuer)).await?.parsed;
    let path = format!("/api/orgs/{org}/auth/policies/{}", current.id);
    client.patch(&path, &ReplacePolicies { policies: documents(policies) }).await
}

/// Policies as they are on the wire.
pub(in crate::cli) fn documents(policies: &[Policy]) -> Vec<PolicyDocument> {
    policies.iter().cloned().map(PolicyDocument::from).collect()
}

/// The address of an issuer's policies.
pub(super) fn of_issuer(org: &OrganizationName, issuer: Uuid) -> String {
    format!("/api/orgs/{org}/auth/policies/oidcissuers/{issuer}")
}
