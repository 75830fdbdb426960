//! `runmint credentials`

mod aws;
mod azure;
mod gcp;

use std::sync::Arc;

use clap::Subcommand;

use crate::cli::clouds::handover::exchanges::{Endpoints, Exchanges};
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::TokenSource;
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

/// What every cloud needs: the run around us, and the way to the clouds.
struct Means {
    tokens: Arc<TokenSource>,
    endpoints: Endpoints,
    exchanges: Exchanges,
    masking: Arc<Masking>,
}

impl Means {
    fn find() -> Result<Self, Failure> {
        let (tokens, masking) = (Arc::new(TokenSource::of_the_run()?), Arc::new(Masking::from_environment()));
        let endpoints = Endpoints::from_environment();
        let exchanges = Exchanges::new(Arc::clone(&tokens), endpoints.clone(), Arc::clone(&masking));
        Ok(Self { tokens, endpoints, exchanges, masking })
    }
}

/// Lines for a shell to evaluate, with each value exactly as it is.
fn exports<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, value): (&str, &str)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    variables.map(line).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_exactly_the_value() {
        let lines = exports([("A", "x/+="), ("B", "it's $HOME")].into_iter());
        assert_eq!(lines, "export A='x/+='\nexport B='it'\\''s $HOME'\n");
    }
}
