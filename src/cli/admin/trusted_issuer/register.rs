//! `runmint issuer register`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::details::{Details, describe};
use super::presets::{self, PresetFlags};
use crate::api::OrNewer;
use crate::api::policies::Finding;
use crate::api::trusted_issuers::{RegisterIssuer, TrustedIssuer};
use crate::cli::admin::policy::described::{findings_text, policies_text};
use crate::cli::admin::policy::file::policies_of;
use crate::cli::admin::policy::saved::{documents, put};
use crate::cli::api::answer::Answer;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::issuer::organization_name::OrganizationName;
use crate::trust::lint::lint;
use crate::trust::policy::Policy;

/// Trust an issuer, so that policies can allow exchanges of its tokens
///
/// The server fetches the issuer's keys once as a check. Without policies nothing is exchanged. --preset
/// supplies the URL and policies with the right claims, and shows what will be trusted.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint issuer register --org acme --preset github --repo acme/website
  runmint issuer register --org acme --preset github --repo acme/website --set branch=main \\
    --team web --dry-run
  runmint issuer register cluster --org acme --preset kubernetes --url https://k8s.example.com \\
    --set namespace=ci --set service_account=runner
  runmint issuer register own --org acme --url https://issuer.example.com --policies policies.json
  runmint issuer register --list-presets")]
pub(in crate::cli) struct Register {
    /// A name for people [default: the preset's title]
    #[arg(required_unless_present_any = ["preset", "list_presets"])]
    name: Option<String>,
    /// The organization that trusts it
    #[arg(long, value_parser = OrganizationName::parse, required_unless_present = "list_presets")]
    org: Option<OrganizationName>,
    /// `iss` of its tokens, byte for byte
    #[arg(long, required_unless_present_any = ["preset", "list_presets"])]
    url: Option<String>,
    #[command(flatten)]
    details: Details,
    /// Its policies: a JSON array, or an object with `policies`; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    preset: PresetFlags,
    /// Show what would be trusted, and register nothing
    #[arg(long)]
    dry_run: bool,
    /// List the presets and the values that each needs
    #[arg(long, conflicts_with_all = ["name", "preset", "url", "policies"])]
    list_presets: bool,
}

/// The issuer to register, from a preset or from flags.
struct Plan {
    name: String,
    url: String,
    policies: Option<Vec<Policy>>,
}

impl Register {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Some(org) = self.org.as_ref().filter(|_| !self.list_presets) else {
            return output::print(output, &presets::all(), |_| presets::described());
        };
        let plan = self.plan(org)?;
        if self.dry_run {
            return plan.show(output);
        }
        let client = Client::from_environment()?;
        if self.preset.preset.is_some() {
            remark(output, &plan.text());
        }
        let body = RegisterIssuer {
            name: plan.name,
            url: plan.url,
            thumbprints: self.details.thumbprints(),
            max_expiration: self.details.max_expiration(),
            jwks: self.details.jwks()?,
        };
        let mut issuer =
            client.post::<TrustedIssuer>(&format!("/api/orgs/{org}/oidc/issuers"), &body).await?;
        let id = issuer.parsed.id;
        let afterwards = match &plan.policies {
            Some(policies) => put_policies(&client, org, &mut issuer, policies).await?,
            None => format!("\nNext:  runmint policy set {id} --org {org} --file FILE"),
        };
        issuer.print(output, describe)?;
        if !afterwards.is_empty() {
            remark(output, &afterwards);
        }
        Ok(())
    }

    fn plan(&self, org: &OrganizationName) -> Result<Plan, Failure> {
        if let Some(filled) = self.preset.fill(org, self.url.as_deref())? {
            let name = self.name.clone().unwrap_or(filled.name);
            return Ok(Plan { name, url: filled.url, policies: Some(filled.policies) });
        }
        let policies = self.policies.as_deref().map(policies_of).transpose()?;
        let (name, url) = (self.name.clone().unwrap_or_default(), self.url.clone().unwrap_or_default());
        Ok(Plan { name, url, policies })
    }
}

/// Saves the issuer's policies, adds them to the answer that scripts read, and says what is risky about them.
async fn put_policies(
    client: &Client,
    org: &OrganizationName,
    issuer: &mut Answer<TrustedIssuer>,
    policies: &[Policy],
) -> Result<String, Failure> {
    let id = issuer.parsed.id;
    let mut saved = put(client, org, id, policies).await.map_err(|failure| {
        failure.because(format!(
            "the issuer is registered, but its policies were not saved (runmint policy set {id} --org {org} --file FILE)"
        ))
    })?;
    issuer.raw["policies"] = saved.raw["policies"].take();
    let findings = findings_text(&saved.parsed.findings);
    Ok(if findings.is_empty() { findings } else { format!("\n{findings}") })
}

impl Plan {
    fn show(&self, output: Format) -> Result<(), Failure> {
        let policies = self.policies.as_deref().unwrap_or_default();
        let findings: Vec<Finding> = lint(policies, &self.url).into_iter().map(Finding::from).collect();
        let plan = json!({"name": self.name, "url": self.url, "policies": policies, "findings": findings});
        output::print(output, &plan, |_| format!("{}\n{}", self.text(), findings_text(&findings)))
    }

    fn text(&self) -> String {
        let policies = documents(self.policies.as_deref().unwrap_or_default());
        let policies: Vec<_> = policies.into_iter().map(OrNewer::from).collect();
        format!("Tokens of {} ({}):\n{}", safe(&self.name), safe(&self.url), policies_text(&policies))
    }
}
