//! A trust document of any kind, recognised by its members.

use serde_json::Value;
use thiserror::Error;

use super::aws::{PolicyError, TrustPolicy};
use super::azure::{CredentialError, FederatedCredentials};
use super::google::{GoogleProvider, ProviderError};
use super::kubernetes::{AuthenticationConfiguration, ConfigurationError};
use super::lint::Finding;
use super::token::TokenClaims;
use super::vault::{RoleError, VaultRole};
use super::verdict::Verdict;
use super::wildcard::Wildcard;

/// Far more than any relying party accepts.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// A document that can be evaluated.
pub enum TrustDocument {
    Aws(TrustPolicy),
    Azure(FederatedCredentials),
    Google(GoogleProvider),
    Vault(VaultRole),
    Kubernetes(AuthenticationConfiguration),
}

/// Why a document cannot be evaluated.
#[derive(Debug, Error)]
pub enum DocumentError {
    #[error("the document has {0} bytes; at most {MAX_DOCUMENT_BYTES} are accepted")]
    TooLarge(usize),
    #[error("neither JSON nor YAML: {0}")]
    Syntax(String),
    #[error(
        "unknown kind of document: expected an AWS trust policy (Statement), Azure federated identity credentials (issuer, subject, audiences), a Google workload identity pool provider (attributeMapping), a Vault JWT role (user_claim) or a Kubernetes AuthenticationConfiguration (jwt)"
    )]
    Unrecognised,
    #[error("this is {0}, which cannot be tested: write it with --format json")]
    OtherForm(&'static str),
    #[error(transparent)]
    Aws(#[from] PolicyError),
    #[error(transparent)]
    Azure(#[from] CredentialError),
    #[error(transparent)]
    Google(#[from] ProviderError),
    #[error(transparent)]
    Vault(#[from] RoleError),
    #[error(transparent)]
    Kubernetes(#[from] ConfigurationError),
}

impl TrustDocument {
    /// Reads JSON or YAML. Errors if the text is neither, or no known kind of document.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge(text.len()));
        }
        if let Some(form) = other_form(text) {
            return Err(DocumentError::OtherForm(form));
        }
        Self::recognise(&value_of(text)?)
    }

    /// Recognises the kind of a document by its members.
    pub fn recognise(document: &Value) -> Result<Self, DocumentError> {
        let has = |name: &str| document.get(name).is_some();
        if has("AWSTemplateFormatVersion") {
            return Err(DocumentError::OtherForm("a CloudFormation template"));
        }
        let inside =
            |name: &str, member: &str| document.get(name).is_some_and(|inner| inner.get(member).is_some());
        // The output of `aws iam get-role` nests the policy.
        if let Some(policy) = document
            .pointer("/Role/AssumeRolePolicyDocument")
            .or_else(|| document.get("AssumeRolePolicyDocument"))
        {
            return Ok(Self::Aws(TrustPolicy::parse(policy)?));
        }
        if has("Statement") {
            return Ok(Self::Aws(TrustPolicy::parse(document)?));
        }
        if has("attributeMapping") {
            return Ok(Self::Google(GoogleProvider::parse(document)?));
        }
        if has("jwt") || document.get("kind").and_then(Value::as_str) == Some("AuthenticationConfiguration") {
            return Ok(Self::Kubernetes(AuthenticationConfiguration::parse(document)?));
        }
        if has("user_claim") || inside("data", "user_claim") || has("bound_claims") || has("bound_audiences")
        {
            return Ok(Self::Vault(VaultRole::parse(document)?));
        }
        let credential = |one: &Value| {
            one.get("issuer").is_some() && one.get("audiences").is_some()
                || one.pointer("/properties/issuer").is_some()
        };
        let listed = document.get("value").unwrap_or(document);
        if credential(document)
            || listed.as_array().is_some_and(|several| several.first().is_some_and(credential))
        {
            return Ok(Self::Azure(FederatedCredentials::parse(document)?));
        }
        Err(DocumentError::Unrecognised)
    }

    /// A name for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Azure(_) => "azure",
            Self::Google(_) => "google",
            Self::Vault(_) => "vault",
            Self::Kubernetes(_) => "kubernetes",
        }
    }

    /// The audiences that it names. A run requests a token for one of them.
    pub fn audiences(&self) -> Vec<String> {
        match self {
            Self::Aws(one) => one.audiences(),
            Self::Azure(one) => one.audiences(),
            Self::Google(one) => one.audiences(),
            Self::Vault(one) => one.audiences(),
            Self::Kubernetes(one) => one.audiences(),
        }
    }

    /// The patterns for subjects, as text and parsed.
    pub(super) fn subject_patterns(&self) -> Vec<(String, Wildcard)> {
        match self {
            Self::Aws(one) => one.subject_patterns(),
            Self::Vault(one) => one.subject_patterns(),
            Self::Azure(_) | Self::Google(_) | Self::Kubernetes(_) => Vec::new(),
        }
    }

    /// Whether another document names the issuer, such as the configuration of a Vault role's auth method.
    pub(super) fn leaves_the_issuer_open(&self) -> bool {
        match self {
            Self::Google(one) => !one.names_issuer(),
            Self::Vault(one) => !one.names_issuer(),
            Self::Aws(_) | Self::Azure(_) | Self::Kubernetes(_) => false,
        }
    }

    /// Whether its relying party accepts the token, and why.
    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        match self {
            Self::Aws(one) => one.evaluate(token),
            Self::Azure(one) => one.evaluate(token),
            Self::Google(one) => one.evaluate(token),
            Self::Vault(one) => one.evaluate(token),
            Self::Kubernetes(one) => one.evaluate(token),
        }
    }

    /// Risky or useless parts, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Aws(one) => one.findings(),
            Self::Azure(one) => one.findings(),
            Self::Google(one) => one.findings(),
            Self::Vault(one) => one.findings(),
            Self::Kubernetes(one) => one.findings(),
        }
    }
}

/// The other formats that `runmint trust` writes, recognised by the beginning of a line.
fn other_form(text: &str) -> Option<&'static str> {
    const TERRAFORM: [&str; 3] = ["resource \"", "data \"", "provider \""];
    const SHELL: [&str; 7] =
        ["#!/", "aws iam ", "az ad app ", "az identity ", "gcloud iam ", "vault ", "printf "];
    let begins = |beginnings: &[&str]| {
        text.lines().any(|line| beginnings.iter().any(|beginning| line.starts_with(beginning)))
    };
    if begins(&TERRAFORM) {
        Some("Terraform code")
    } else if begins(&SHELL) {
        Some("a shell script")
    } else {
        None
    }
}

/// Text that looks like JSON is read as JSON, whose error messages are more helpful.
fn value_of(text: &str) -> Result<Value, DocumentError> {
    if text.trim_start().starts_with(['{', '[']) {
        return runmint_json::value_of(text.as_bytes())
            .map_err(|error| DocumentError::Syntax(error.to_string()));
    }
    serde_saphyr::from_str(text).map_err(|error| DocumentError::Syntax(first_line(&error.to_string())))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_recognised() {
        for (kind, text) in [
            ("aws", r#"{"Statement": []}"#),
            ("aws", r#"{"Role": {"AssumeRolePolicyDocument": {"Statement": []}}}"#),
            ("azure", r#"[{"name": "a", "issuer": "i", "subject": "s", "audiences": ["a"]}]"#),
            ("azure", r#"{"issuer": "i", "subject": "s", "audiences": ["a"]}"#),
            ("google", r#"{"attributeMapping": {"google.subject": "assertion.sub"}}"#),
            (
                "google",
                "attributeMapping:\n  google.subject: assertion.sub\nattributeCondition: assertion.sub == 'a'\n",
            ),
            ("vault", r#"{"data": {"user_claim": "sub"}}"#),
            (
                "kubernetes",
                "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {url: https://i, audiences: [a]}\n  claimMappings:\n    username: {claim: sub, prefix: ''}\n",
            ),
        ] {
            assert_eq!(
                TrustDocument::parse(text).map(|found| found.kind()).map_err(|error| error.to_string()),
                Ok(kind),
                "{text}"
            );
        }
        for strange in [
            "",
            "[]",
            "{}",
            "x",
            "{",
            "a: [",
            "null",
            "- a\n- b",
            "{\"value\": []}",
            "{\"Statement\": [], \"Statement\": []}",
            "jwt: []\njwt: []",
        ] {
            assert!(TrustDocument::parse(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        for (form, text) in [
            ("Terraform code", "resource \"aws_iam_role\" \"a\" {\n  name = \"a\"\n}\n"),
            ("Terraform code", "# ours\ndata \"azurerm_user_assigned_identity\" \"runs\" {\n}\n"),
            ("a CloudFormation template", r#"{"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}"#),
            ("a CloudFormation template", "AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n"),
            ("a shell script", "aws iam create-role \\\n  --role-name a\n"),
            ("a shell script", "printf '%s' 'a' > authentication.yaml\n"),
        ] {
            let refused = TrustDocument::parse(text).map(|found| found.kind()).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("this is {form}, which cannot be tested: write it with --format json")
            );
        }
    }

    #[test]
    fn yaml_bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            bomb.extend([format!("a{n}: &a{n} [{before}]\n")]);
        }
        assert!(TrustDocument::parse(&bomb).is_err());
        assert!(TrustDocument::parse(&"[".repeat(100_000)).is_err());
        assert!(TrustDocument::parse(&"a: ".repeat(10_000)).is_err());
    }
}
