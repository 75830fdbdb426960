//! Policies in files.

use std::path::Path;

use serde::Deserialize;

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::text_of;
use crate::trust::policy::{Policy, PolicyDocument, parse_policies};

/// The document that `runmint policy show` prints, of which only this member matters.
#[derive(Deserialize)]
struct Shown {
    policies: Vec<PolicyDocument>,
}

/// The policies in a file, or on standard input for `-`.
pub(in crate::cli) fn policies_of(path: &Path) -> Result<Vec<Policy>, Failure> {
    parse(&text_of(path)?)
        .map_err(|why| Failure::usage(format!("could not read policies from {}: {why}", path.display())))
}

fn parse(text: &str) -> Result<Vec<Policy>, String> {
    let documents = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<PolicyDocument>>(text)
    } else {
        serde_json::from_str::<Shown>(text).map(|shown| shown.policies)
    };
    let documents = documents.map_err(|error| format!("not a JSON array of policies: {error}"))?;
    parse_policies(documents).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"decision": "allow", "tokenType": "organization", "rules": {"sub": "a"}}"#;

    #[test]
    fn an_array_and_what_the_server_shows_are_the_same() {
        let one = parse(&format!(" [{POLICY}]")).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(parse(&format!(r#"{{"id": "1", "version": 3, "policies": [{POLICY}]}}"#)).unwrap(), one);
    }

    #[test]
    fn an_invalid_policy_is_named() {
        assert!(parse("[").is_err() && parse("{}").is_err() && parse(POLICY).is_err());
        let twice = POLICY.replace(r#""sub": "a""#, r#""sub": "a", "sub": "b""#);
        assert!(parse(&format!("[{twice}]")).unwrap_err().contains("twice"));
        let nobody = POLICY.replace("organization", "team");
        let why = parse(&format!("[{POLICY}, {nobody}]")).unwrap_err();
        assert!(why.contains("policies[1]") && why.contains("teamName"), "{why}");
    }
}
