//! `runmint trust`

mod asked;
mod aws;
mod azure;
mod candidates;
mod gcp;
mod kubernetes;
mod remarks;
mod runs;
mod test;
mod vault;
mod written;

use clap::Subcommand;

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    Aws(aws::Aws),
    Azure(azure::Azure),
    Gcp(gcp::Gcp),
    Vault(vault::Vault),
    Kubernetes(kubernetes::Kubernetes),
    Test(Box<test::Test>),
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Aws(aws) => aws.execute(output).await,
            Self::Azure(azure) => azure.execute(output).await,
            Self::Gcp(gcp) => gcp.execute(output).await,
            Self::Vault(vault) => vault.execute(output).await,
            Self::Kubernetes(kubernetes) => kubernetes.execute(output).await,
            Self::Test(test) => test.execute(output).await,
        }
    }
}
