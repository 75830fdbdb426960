//! Shared by the commands that print credentials.

use std::sync::Arc;

use serde::Serialize;

use crate::cli::clouds::handover::exchanges::{Endpoints, Exchanges};
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::TokenSource;
use crate::cli::terminal::failure::Failure;

/// The tokens of the current run and the token services of the clouds.
pub(super) struct Means {
    pub(super) tokens: Arc<TokenSource>,
    pub(super) endpoints: Endpoints,
    pub(super) exchanges: Exchanges,
    pub(super) masking: Arc<Masking>,
}

impl Means {
    pub(super) fn find() -> Result<Self, Failure> {
        let (tokens, masking) = (Arc::new(TokenSource::of_the_run()?), Arc::new(Masking::from_environment()));
        let endpoints = Endpoints::from_environment();
        let exchanges = Exchanges::new(Arc::clone(&tokens), endpoints.clone(), Arc::clone(&masking));
        Ok(Self { tokens, endpoints, exchanges, masking })
    }
}

/// One JSON document on a line.
pub(super) fn json_line(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("these documents have names and texts only") + "\n"
}

/// Lines for a shell to evaluate, with each value exactly as it is.
pub(super) fn exports<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, value): (&str, &str)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    variables.map(line).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_the_exact_value() {
        let lines = exports([("A", "x/+="), ("B", "it's $HOME")].into_iter());
        assert_eq!(lines, "export A='x/+='\nexport B='it'\\''s $HOME'\n");
    }
}
