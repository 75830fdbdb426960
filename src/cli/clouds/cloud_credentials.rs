//! `runmint credentials`

mod aws;
mod azure;
mod gcp;
mod means;

use clap::Subcommand;

use crate::cli::terminal::failure::Failure;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    Aws(aws::Aws),
    Azure(azure::Azure),
    Gcp(gcp::Gcp),
}

impl Command {
    pub(in crate::cli) async fn execute(self) -> Result<(), Failure> {
        match self {
            Self::Aws(aws) => aws.execute().await,
            Self::Azure(azure) => azure.execute().await,
            Self::Gcp(gcp) => gcp.execute().await,
        }
    }
}
