//! Federated identity credentials of Microsoft Entra: issuer, subject and audience, each compared exactly and by
//! case. Entra accepts expressions (`claimsMatchingExpression`) for a fixed list of issuers only, which a self-hosted
//! one is not on (Microsoft Learn, "Flexible federated identity credentials").

mod limits;
mod write;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use self::limits::{MAX_CHARS, MAX_CREDENTIALS, NAME_CHARS};
pub use self::write::{AzureOwner, AzureTarget};
use super::lint::Finding;
use super::token::TokenClaims;
use super::verdict::{Condition, Verdict};

/// The audience that Entra expects unless a credential names another.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The credentials of one application or identity.
#[derive(Clone, Debug)]
pub struct FederatedCredentials(Vec<Credential>);

#[derive(Clone, Debug, Deserialize)]
struct Credential {
    #[serde(default)]
    name: String,
    issuer: String,
    subject: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(alias = "claimsMatchingExpression")]
    claims_matching_expression: Option<Value>,
}

/// Why a document is not a list of credentials.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a valid federated identity credential: {0}")]
pub struct CredentialError(String);

impl FederatedCredentials {
    /// Reads one credential, an array, a list of Microsoft Graph (`value`), or the form of Azure Resource Manager
    /// (`properties`).
    pub fn parse(document: &Value) -> Result<Self, CredentialError> {
        let listed = document.get("value").unwrap_or(document);
        let each = match listed {
            Value::Array(several) => several.iter().collect(),
            one => vec![one],
        };
        let credential = |one: &Value| {
            let mut flat = one.get("properties").unwrap_or(one).clone();
            if let (Some(name), Some(members)) = (one.get("name"), flat.as_object_mut()) {
                members.insert("name".to_owned(), name.clone());
            }
            serde_json::from_value(flat).map_err(|error| CredentialError(error.to_string()))
        };
        each.into_iter().map(credential).collect::<Result<_, _>>().map(Self)
    }

    /// The audiences of all credentials, each once.
    pub fn audiences(&self) -> Vec<String> {
        let mut audiences: Vec<String> = Vec::new();
        for audience in self.0.iter().flat_map(|one| &one.audiences) {
            if !audiences.contains(audience) {
                audiences.push(audience.clone());
            }
        }
        audiences
    }

    /// Whether one of the credentials accepts the token.
    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        Verdict::any(
            self.0.iter().map(|one| one.evaluate(token)).collect(),
            "a federated identity credential",
        )
    }

    /// Risky or useless parts, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let count = self.0.len();
        if count > MAX_CREDENTIALS {
            found.push(Finding::problem(
                "too_many",
                format!("{count} credentials; an application or identity accepts {MAX_CREDENTIALS}"),
            ));
        }
        for (index, one) in self.0.iter().enumerate() {
            found.extend(one.findings());
            let twin = self.0[..index]
                .iter()
                .any(|other| other.issuer == one.issuer && other.subject == one.subject);
            if twin {
                found.push(Finding::problem(
                    "twice",
                    format!(
                        "{}: another credential has the same issuer and subject, which Entra refuses",
                        one.name
                    ),
                ));
            }
        }
        found
    }
}

impl Credential {
    fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let mut conditions = vec![Condition::equals("issuer", &self.issuer, token.issuer())];
        conditions.push(match (&self.subject, &self.claims_matching_expression) {
            (Some(subject), _) => Condition::equals("subject", subject, token.subject()),
            (None, _) => Condition::unknown("claimsMatchingExpression", "an expression", "not supported"),
        });
        conditions.push(Condition::any_of("audience", &self.audiences, &token.audiences()));
        Verdict::all(self.name.clone(), conditions)
    }

    fn findings(&self) -> Vec<Finding> {
        let name = &self.name;
        let mut found = Vec::new();
        let subject = self.subject.as_deref().unwrap_or_default();
        if self.claims_matching_expression.is_some() {
            found.push(Finding::problem(
                "flexible",
                format!("{name}: Entra accepts expressions for GitHub, GitLab and HCP Terraform only, not for a self-hosted issuer"),
            ));
        } else if subject.is_empty() {
            found.push(Finding::problem("subject_missing", format!("{name} has no subject")));
        }
        if subject.contains(['*', '?']) {
            found.push(Finding::problem(
                "wildcard_taken_literally",
                format!("{name}: Entra takes the wildcard in `{subject}` literally, and no subject contains it: nothing matches"),
            ));
        }
        if self.issuer.trim() != self.issuer || self.issuer.ends_with('/') {
            found.push(Finding::problem(
                "issuer_not_exact",
                format!(
                    "{name}: `{}` has surrounding blanks or a trailing slash, but issuers are compared byte for byte",
                    self.issuer
                ),
            ));
        }
        if self.audiences.len() != 1 {
            found.push(Finding::problem(
                "audience_missing",
                format!("{name} has {} audiences; Entra accepts exactly one", self.audiences.len()),
            ));
        }
        let texts = [&self.issuer, &subject.to_owned()];
        if texts.into_iter().chain(&self.audiences).any(|text| text.chars().count() > MAX_CHARS) {
            found.push(Finding::problem(
                "too_long",
                format!("{name}: Entra accepts at most {MAX_CHARS} characters for each part"),
            ));
        }
        if !name.is_empty() && !is_name(name) {
            found.push(Finding::problem(
                "name",
                format!("`{name}` is not a valid name: use 3 to 120 letters, digits, `-` and `_`, beginning with a letter or digit"),
            ));
        }
        found
    }
}

fn is_name(name: &str) -> bool {
    NAME_CHARS.contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trust_documents::verdict::Holds;

    fn token(issuer: &str, subject: &str, audience: &str) -> TokenClaims {
        let claims = json!({"iss": issuer, "sub": subject, "aud": audience});
        TokenClaims::new(claims.as_object().unwrap().clone())
    }

    #[test]
    fn issuer_subject_and_audience_are_compared_exactly() {
        let one =
            json!({"name": "prod", "issuer": "https://i/oidc", "subject": "a:b", "audiences": [AUDIENCE]});
        let arm = json!({"name": "prod", "properties": {"issuer": "https://i/oidc", "subject": "a:b", "audiences": [AUDIENCE]}});
        for document in [json!([one]), json!({"value": [one]}), one.clone(), arm] {
            let credentials = FederatedCredentials::parse(&document).unwrap();
            let accepts =
                |iss: &str, sub: &str, aud: &str| credentials.evaluate(&token(iss, sub, aud)).accepts;
            assert_eq!(accepts("https://i/oidc", "a:b", AUDIENCE), Holds::Yes);
            for (iss, sub, aud) in [
                ("https://i/oidc/", "a:b", AUDIENCE),
                ("https://i/oidc", "a:B", AUDIENCE),
                ("https://i/oidc", "a:b:c", AUDIENCE),
                ("https://i/oidc", "a:b", "api://azureadtokenexchange"),
            ] {
                assert_eq!(accepts(iss, sub, aud), Holds::No, "{iss} {sub} {aud}");
            }
        }
    }

    #[test]
    fn names_every_pitfall() {
        let one = |subject: &str| json!({"name": "one", "issuer": "https://i", "subject": subject, "audiences": [AUDIENCE]});
        let codes = |document: &Value| -> Vec<&'static str> {
            FederatedCredentials::parse(document)
                .unwrap()
                .findings()
                .into_iter()
                .map(|one| one.code)
                .collect()
        };
        assert_eq!(codes(&one("a")), [""; 0]);
        assert_eq!(codes(&one("a:*")), ["wildcard_taken_literally"]);
        assert_eq!(codes(&json!([one("a"), one("a")])), ["twice"]);
        assert_eq!(codes(&one(&"a".repeat(601))), ["too_long"]);
        let many: Vec<Value> = (0..21).map(|n| one(&n.to_string())).collect();
        assert_eq!(codes(&json!(many)), ["too_many"]);
        assert_eq!(
            codes(&json!({"name": "-x", "issuer": "https://i/", "subject": "a", "audiences": []})),
            ["issuer_not_exact", "audience_missing", "name"]
        );
        assert_eq!(
            codes(
                &json!({"issuer": "https://i", "audiences": ["a"], "claimsMatchingExpression": {"value": "x"}})
            ),
            ["flexible"]
        );
    }
}
