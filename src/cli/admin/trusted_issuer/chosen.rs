//! The issuer that a command is about.

use clap::Args;
use serde_json::Value;

use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::id;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::table::cell;
use crate::issuer::organization_name::OrganizationName;

/// An issuer that is registered.
#[derive(Args)]
pub(in crate::cli) struct Chosen {
    /// Its name, id or URL
    issuer: String,
    /// The organization that trusts it
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
}

impl Chosen {
    pub(in crate::cli) async fn find(&self, client: &Client) -> Result<Value, Failure> {
        find(client, &self.org, &self.issuer).await
    }

    pub(in crate::cli) fn org(&self) -> &OrganizationName {
        &self.org
    }
}

/// The issuer that people mean. What they wrote is not repeated: they paste secrets where names belong.
pub(in crate::cli) async fn find(
    client: &Client,
    org: &OrganizationName,
    text: &str,
) -> Result<Value, Failure> {
    let mut found = client.get(&format!("/api/orgs/{org}/oidc/issuers")).await?;
    let Value::Array(all) = found["oidcIssuers"].take() else {
        return Err(Failure::failed("the answer is not a list: is this runmint?"));
    };
    let meant = |issuer: &Value| ["id", "name", "url"].iter().any(|member| issuer[*member] == text);
    // An id beats a name that looks like one.
    let by_id = all.iter().position(|issuer| issuer["id"] == text);
    let index = by_id.or_else(|| all.iter().position(meant)).ok_or_else(|| {
        Failure::failed(format!("there is no such issuer; `runmint issuer list --org {org}` shows them"))
    })?;
    // It goes into paths.
    id(&cell(&all[index]["id"]))?;
    Ok(all[index].clone())
}

pub(super) fn path(org: &OrganizationName, issuer: &Value) -> String {
    format!("/api/orgs/{org}/oidc/issuers/{}", cell(&issuer["id"]))
}
