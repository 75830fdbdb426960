//! Policies and other JSON in files.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::terminal::failure::Failure;
use crate::trust::policy::{Policy, PolicyDocument, parse_policies};

/// Far more than the server takes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What `runmint policy show` prints is taken, too; its other members say nothing here.
#[derive(Deserialize)]
struct Shown {
    policies: Vec<PolicyDocument>,
}

/// The policies in a file, or on standard input for `-`.
pub(in crate::cli) fn policies_of(path: &Path) -> Result<Vec<Policy>, Failure> {
    parse(&text_of(path)?).map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
}

pub(in crate::cli) fn json_of(path: &Path) -> Result<Value, Failure> {
    serde_json::from_str(&text_of(path)?)
        .map_err(|error| Failure::usage(format!("{} is not JSON: {error}", path.display())))
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

pub(in crate::cli) fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin().take(MAX_BYTES).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(text)
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
    fn what_is_no_policy_is_named() {
        assert!(parse("[").is_err() && parse("{}").is_err() && parse(POLICY).is_err());
        let twice = POLICY.replace(r#""sub": "a""#, r#""sub": "a", "sub": "b""#);
        assert!(parse(&format!("[{twice}]")).unwrap_err().contains("twice"));
        let nobody = POLICY.replace("organization", "team");
        let why = parse(&format!("[{POLICY}, {nobody}]")).unwrap_err();
        assert!(why.contains("policies[1]") && why.contains("teamName"), "{why}");
    }
}
