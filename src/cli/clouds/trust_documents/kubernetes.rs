//! `runmint trust kubernetes`

use clap::Args;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, given, not_for, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::kubernetes::KubernetesTarget;

/// Write an authentication configuration, by which a Kubernetes API server trusts runs
///
/// The user name is the prefix followed by the subject. It has no permissions until you bind roles to it with RBAC.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust kubernetes --org acme --project website --stack prod --audience https://cluster.example.com > authentication.yaml
  runmint trust kubernetes --org acme --project website --audience https://cluster.example.com --format cli

JSON is YAML: pass the file to the API server with --authentication-config.")]
pub(in crate::cli) struct Kubernetes {
    #[command(flatten)]
    runs: Runs,
    /// `aud` of the tokens; use a value that only this cluster accepts, e.g. its URL
    #[arg(long, value_parser = given)]
    audience: String,
    /// The prefix of user names
    #[arg(long, value_name = "TEXT", default_value = "runmint:", value_parser = given)]
    username_prefix: String,
    /// The output format
    #[arg(long, value_enum, default_value = "json")]
    format: Form,
}

impl Kubernetes {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Self { runs, audience, username_prefix, format } = self;
        if username_prefix.starts_with("system:") {
            return Err(Failure::usage(
                "--username-prefix must not begin with system:, which Kubernetes reserves",
            ));
        }
        let grant = runs.grant(audience).await?;
        remarks(&grant, RelyingParty::Kubernetes, output);
        let target = KubernetesTarget { username_prefix };
        match format {
            Form::Json => print_json(output, &target.json(&grant)?),
            Form::Cli => print_text(output, &target.cli(&grant)?),
            Form::Terraform | Form::Cloudformation => {
                Err(not_for(format, "Kubernetes", "an API server reads it as a file: use json or cli"))
            }
        }
    }
}
