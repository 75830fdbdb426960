//! `runmint issuer register`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::details::{Details, describe};
use super::presets::{self, PresetFlags};
use crate::cli::admin::policy::described::{findings_text, policies_text};
use crate::cli::admin::policy::file::policies_of;
use crate::cli::admin::policy::saved::{put, take_policies};
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::cli::terminal::table::cell;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::lint::lint;
use crate::trust::policy::Policy;

/// Trust an issuer: its tokens can be exchanged, as far as policies say
///
/// Its keys are fetched once to see that they can be had. Until it has policies, nothing is exchanged. With
/// --preset the URL and policies with the right claims are there already, and what will be trusted is shown.
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
    /// What people shall know it by [default: the preset's title]
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
    /// Show the presets and what each is filled in with
    #[arg(long, conflicts_with_all = ["name", "preset", "url", "policies"])]
    list_presets: bool,
}

/// Everything that is to be registered, from a preset or from flags.
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
        let mut body = self.details.body()?;
        body["name"] = plan.name.as_str().into();
        body["url"] = plan.url.as_str().into();
        let mut issuer = client.post(&format!("/api/orgs/{org}/oidc/issuers"), Some(&body)).await?;
        let next = format!("\nNext:  runmint policy set {} --org {org} --file FILE", cell(&issuer["id"]));
        let afterwards = match &plan.policies {
            Some(policies) => self.put(&client, org, &mut issuer, policies).await?,
            None => next,
        };
        output::print(output, &issuer, describe)?;
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

    /// The issuer's policies, after which `issuer` shows them, and what is risky about them.
    async fn put(
        &self,
        client: &Client,
        org: &OrganizationName,
        issuer: &mut Value,
        policies: &[Policy],
    ) -> Result<String, Failure> {
        let mut saved = put(client, org, issuer, policies).await.map_err(|failure| {
            let id = safe(&cell(&issuer["id"]));
            failure.because(format!(
                "the issuer is registered, but without policies (runmint policy set {id} --org {org} --file FILE)"
            ))
        })?;
        let findings = findings_text(&saved["findings"]);
        issuer["policies"] = take_policies(&mut saved);
        Ok(if findings.is_empty() { findings } else { format!("\n{findings}") })
    }
}

impl Plan {
    fn show(&self, output: Format) -> Result<(), Failure> {
        let policies = self.policies.as_deref().unwrap_or_default();
        let findings = lint(policies, &self.url);
        let plan = json!({"name": self.name, "url": self.url, "policies": policies, "findings": findings});
        output::print(output, &plan, |plan| format!("{}\n{}", self.text(), findings_text(&plan["findings"])))
    }

    fn text(&self) -> String {
        let policies = json!(self.policies.as_deref().unwrap_or_default());
        format!("Tokens of {} ({}):\n{}", safe(&self.name), safe(&self.url), policies_text(&policies))
    }
}
