//! Prints a document.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, safe};
use crate::clouds::trust_documents::grant::GrantError;

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// Resources for Terraform and OpenTofu
    Terraform,
    /// Commands for the relying party's own command line
    Cli,
    /// The document alone
    Json,
    /// A template for AWS CloudFormation
    Cloudformation,
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        Self::usage(error)
    }
}

pub(super) fn not_for(form: Form, relying_party: &str, instead: &str) -> Failure {
    let form = format!("{form:?}").to_lowercase();
    Failure::usage(format!("--format {form} is not available for {relying_party}: {instead}"))
}

pub(super) fn print_json(output: Format, document: &Value) -> Result<(), Failure> {
    output::print(output, document, |document| format!("{document:#}\n"))
}

/// A document in another language, as `--output json` prints it.
#[derive(Serialize)]
struct Written<'a> {
    text: &'a str,
}

/// Text for a shell or Terraform, unchanged; neither can interpret a value in it as code.
pub(super) fn print_text(output: Format, text: &str) -> Result<(), Failure> {
    // Subjects have control characters percent-encoded; names are shown escaped.
    let text: String = text.lines().flat_map(|line| [safe(line), "\n".to_owned()]).collect();
    output::print(output, &json!(Written { text: &text }), |_| text.clone())
}

/// A real name: placeholders from documentation are refused.
pub(super) fn given(text: &str) -> Result<String, String> {
    let shouted = text.len() > 3 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let placeholder = text.starts_with('<') || text.ends_with('>') || text.contains("...") || shouted;
    if placeholder || text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("this is a placeholder: write the real name".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn digits(text: &str) -> Result<String, String> {
    if (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("not a project number: `gcloud projects describe PROJECT --format='value(projectNumber)'` prints it"
            .to_owned())
    }
}

pub(super) fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("not an account ID of 12 digits: `aws sts get-caller-identity --query Account` prints it"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_refused() {
        assert!(given("deploy-website").is_ok() && given("Deploy").is_ok() && given("CI").is_ok());
        for bad in ["", "<role>", "ROLE_NAME", "a b", "a...", "x\u{1b}"] {
            assert!(given(bad).is_err(), "{bad}");
        }
        assert!(account("111122223333").is_ok());
        for bad in ["", "ACCOUNT", "1111", "1111222233334", "11112222333x"] {
            assert!(account(bad).is_err(), "{bad}");
        }
        assert!(digits("1").is_ok() && digits("my-project").is_err() && digits("").is_err());
    }
}
