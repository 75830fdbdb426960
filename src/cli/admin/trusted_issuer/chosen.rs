//! The issuer that a command is about.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::api::trusted_issuers::TrustedIssuer;
use crate::cli::api::answer::Answer;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::issuer::organization_name::OrganizationName;

/// An issuer that is registered.
#[derive(Args)]
pub(in crate::cli) struct Chosen {
    /// The issuer's name, id or URL
    issuer: String,
    /// The organization that trusts it
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
}

impl Chosen {
    pub(in crate::cli) async fn find(&self, client: &Client) -> Result<Answer<TrustedIssuer>, Failure> {
        find(client, &self.org, &self.issuer).await
    }

    pub(in crate::cli) fn org(&self) -> &OrganizationName {
        &self.org
    }
}

/// The issuer with this id, name or URL. An error does not repeat the text: people paste secrets where names belong.
pub(in crate::cli) async fn find(
    client: &Client,
    org: &OrganizationName,
    text: &str,
) -> Result<Answer<TrustedIssuer>, Failure> {
    let found = client.get::<Listed>(&format!("/api/orgs/{org}/oidc/issuers")).await?.parsed;
    let all = found.oidc_issuers.into_iter().map(Answer::<TrustedIssuer>::read);
    let mut all = all.collect::<Result<Vec<_>, _>>().map_err(Failure::failed)?;
    let by_id = |issuer: &Answer<TrustedIssuer>| issuer.parsed.id.to_string() == text;
    let meant = |issuer: &Answer<TrustedIssuer>| {
        [&issuer.parsed.name, &issuer.parsed.url].iter().any(|one| *one == text)
    };
    // An id takes precedence over a name that looks like one.
    let index = all.iter().position(by_id).or_else(|| all.iter().position(meant)).ok_or_else(|| {
        Failure::failed(format!(
            "no trusted issuer has this name, id or URL; `runmint issuer list --org {org}` lists them"
        ))
    })?;
    Ok(all.swap_remove(index))
}

/// The list, with each issuer as it came: `issuer show` passes it on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    oidc_issuers: Vec<Value>,
}

pub(super) fn path(org: &OrganizationName, issuer: &TrustedIssuer) -> String {
    format!("/api/orgs/{org}/oidc/issuers/{}", issuer.id)
}
