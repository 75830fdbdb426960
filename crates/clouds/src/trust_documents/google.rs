//! Providers of Google Cloud's workload identity pools: an attribute mapping and a condition, both in the Common
//! Expression Language (Google Cloud IAM, `projects.locations.workloadIdentityPools.providers`).

mod write;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use thiserror::Error;

pub use self::write::GoogleTarget;
use super::expression::{Dialect, Expression, ExpressionError, Outcome};
use super::lint::Finding;
use super::token::TokenClaims;
use super::verdict::{Condition, Holds, NOTHING, Verdict, one_of};

pub(super) const MAX_SUBJECT_BYTES: usize = 127;
pub(super) const MAX_CONDITION_CHARS: usize = 4_096;
const MAX_MAPPING_CHARS: usize = 2_048;
const MAX_ATTRIBUTES: usize = 50;
const MAX_AUDIENCES: usize = 10;
const MAX_AUDIENCE_CHARS: usize = 256;
/// "The maximum size of all mapped attributes".
const MAX_MAPPED_BYTES: usize = 8 * 1024;
const SUBJECT: &str = "google.subject";

const FUNCTIONS: &[&str] = &[
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "extract",
    "split",
    "size",
    "lowerAscii",
    "upperAscii",
    "int",
    "string",
];
const MAPPING: Dialect =
    Dialect { variables: &["assertion"], functions: FUNCTIONS, max_chars: MAX_MAPPING_CHARS };
const CONDITION: Dialect = Dialect {
    variables: &["assertion", "google", "attribute"],
    functions: FUNCTIONS,
    max_chars: MAX_CONDITION_CHARS,
};

pub struct GoogleProvider {
    issuer: Option<String>,
    audiences: Vec<String>,
    mapping: Vec<(String, Expression)>,
    condition: Option<Expression>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProviderError {
    #[error("it is no workload identity pool provider: {0}")]
    Shape(String),
    #[error("{0}: {1}")]
    Expression(String, ExpressionError),
}

/// A provider's resource name without `https:`, which the token exchange takes for its audience.
pub fn resource(project_number: &str, pool: &str, provider: &str) -> String {
    format!(
        "//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
    )
}

impl GoogleProvider {
    /// What `gcloud iam workload-identity-pools providers describe --format=json` prints, or a mapping and a
    /// condition alone.
    pub fn parse(document: &Value) -> Result<Self, ProviderError> {
        let shape = |why: &str| ProviderError::Shape(why.to_owned());
        if document.get("saml").is_some() || document.get("aws").is_some() || document.get("x509").is_some() {
            return Err(shape("it takes no OpenID Connect tokens"));
        }
        let oidc = document.get("oidc").unwrap_or(&Value::Null);
        let mapping = document.get("attributeMapping").and_then(Value::as_object);
        let mapping = mapping.ok_or_else(|| shape("it has no attributeMapping"))?;
        let mapping = mapping.iter().map(|(name, text)| {
            let text = text.as_str().ok_or_else(|| shape("a mapping is no text"))?;
            let of = |error| ProviderError::Expression(format!("mapping of {name}"), error);
            Ok((name.clone(), Expression::parse(text, MAPPING).map_err(of)?))
        });
        let condition =
            document.get("attributeCondition").and_then(Value::as_str).filter(|text| !text.is_empty());
        let condition = condition.map(|text| Expression::parse(text, CONDITION)).transpose();
        let mut audiences: Vec<String> = Vec::new();
        let allowed = oidc.get("allowedAudiences").and_then(Value::as_array).into_iter().flatten();
        audiences.extend(allowed.filter_map(Value::as_str).map(str::to_owned));
        // The default, with and without the scheme.
        if let (true, Some(name)) = (audiences.is_empty(), document.get("name").and_then(Value::as_str)) {
            audiences =
                vec![format!("https://iam.googleapis.com/{name}"), format!("//iam.googleapis.com/{name}")];
        }
        Ok(Self {
            issuer: oidc.get("issuerUri").and_then(Value::as_str).map(str::to_owned),
            audiences,
            mapping: mapping.collect::<Result<_, ProviderError>>()?,
            condition: condition
                .map_err(|error| ProviderError::Expression("attributeCondition".to_owned(), error))?,
        })
    }

    pub(super) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    pub fn audiences(&self) -> Vec<String> {
        self.audiences.clone()
    }

    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let mut conditions = Vec::new();
        if let Some(issuer) = &self.issuer {
            conditions.push(Condition::equals("oidc.issuerUri", issuer, token.issuer()));
        }
        if !self.audiences.is_empty() {
            conditions.push(Condition::any_of("audience", &self.audiences, &token.audiences()));
        }
        let assertion = Value::Object(token.all().clone());
        let only_assertion = BTreeMap::from([("assertion", assertion.clone())]);
        let (mut google, mut attribute) = (Map::new(), Map::new());
        let mut unknown: Option<String> = None;
        for (name, expression) in &self.mapping {
            match expression.evaluate(&only_assertion) {
                Outcome::Is(value) => {
                    match name.split_once('.') {
                        Some(("google", member)) => google.insert(member.to_owned(), value),
                        Some(("attribute", member)) => attribute.insert(member.to_owned(), value),
                        _ => None,
                    };
                }
                failed => {
                    if let Outcome::Unknown(why) = &failed {
                        unknown.get_or_insert_with(|| why.clone());
                    }
                    conditions.push(not_a_value(&format!("mapping of {name}"), expression, &failed));
                }
            }
        }
        // What follows from a mapping that is not known is not known either.
        if unknown.is_none() || google.contains_key("subject") {
            conditions.push(subject(google.get("subject")));
        }
        let bytes = json!([google, attribute]).to_string().len();
        if bytes > MAX_MAPPED_BYTES {
            conditions.push(Condition::new(
                "mapped attributes",
                format!("{MAX_MAPPED_BYTES} bytes at most"),
                bytes.to_string(),
                Holds::No,
            ));
        }
        if let Some(condition) = &self.condition {
            let variables = BTreeMap::from([
                ("assertion", assertion),
                ("google", Value::Object(google)),
                ("attribute", Value::Object(attribute)),
            ]);
            let outcome = unknown.map_or_else(|| condition.evaluate(&variables), Outcome::Unknown);
            conditions.push(match outcome {
                Outcome::Is(Value::Bool(holds)) => Condition::new(
                    "attributeCondition",
                    condition.text(),
                    found_for(condition.text(), token),
                    Holds::of(holds),
                ),
                failed => not_a_value("attributeCondition", condition, &failed),
            });
        }
        Verdict::all("provider", conditions)
    }

    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let names = |name: &str| self.mapping.iter().any(|(mapped, _)| mapped == name);
        if !names(SUBJECT) {
            found.push(Finding::problem(
                "subject_missing",
                "nothing is mapped to google.subject, which Google requires",
            ));
        }
        match &self.condition {
            None => found.push(Finding::problem(
                "condition_missing",
                "no attributeCondition: every run of every organization of the issuer becomes an identity of the pool",
            )),
            Some(condition) => {
                let text = condition.text();
                if !["sub", "subject", "org", "org_id"].iter().any(|claim| reads(text, claim)) && !text.contains("attribute.") {
                    found.push(Finding::warning("organization_missing", "the attributeCondition reads neither sub nor org: it may hold for other organizations of the issuer"));
                }
                if text.contains(".matches(") && !text.contains(".matches('^") && !text.contains(".matches(\"^") && !text.contains(".matches(r'^") {
                    found.push(Finding::problem("unanchored", "`matches` looks anywhere in the text: begin the pattern with ^ and end it with $"));
                }
                if let Some(prefix) = open_prefix(text) {
                    found.push(Finding::problem("wildcard_within_name", format!("`startsWith` with `{prefix}`, which does not end in a separator: longer names match, too")));
                }
            }
        }
        if self.audiences.len() > MAX_AUDIENCES
            || self.audiences.iter().any(|one| one.chars().count() > MAX_AUDIENCE_CHARS)
        {
            found.push(Finding::problem(
                "audiences",
                format!("Google takes {MAX_AUDIENCES} audiences of {MAX_AUDIENCE_CHARS} characters"),
            ));
        }
        let attributes = self.mapping.iter().filter(|(name, _)| name.starts_with("attribute."));
        if attributes.clone().count() > MAX_ATTRIBUTES {
            found.push(Finding::problem("too_many", format!("Google takes {MAX_ATTRIBUTES} attributes")));
        }
        for (name, _) in attributes {
            let own = &name["attribute.".len()..];
            let plain = own.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if own.is_empty() || own.len() > 100 || !plain {
                found.push(Finding::problem(
                    "name",
                    format!("`{name}`: lower-case letters, digits and underscores, 100 at most"),
                ));
            }
        }
        found
    }
}

/// The subject of the identity in the pool.
fn subject(mapped: Option<&Value>) -> Condition {
    let expected = format!("a text of at most {MAX_SUBJECT_BYTES} bytes");
    match mapped {
        Some(Value::String(text)) => {
            let holds = (1..=MAX_SUBJECT_BYTES).contains(&text.len());
            Condition::new(SUBJECT, expected, format!("{text} ({} bytes)", text.len()), Holds::of(holds))
        }
        other => {
            Condition::new(SUBJECT, expected, other.map_or(NOTHING.to_owned(), Value::to_string), Holds::No)
        }
    }
}

/// An expression that does not come to a value is a refusal, whatever it would have come to.
pub(super) fn not_a_value(what: &str, expression: &Expression, outcome: &Outcome) -> Condition {
    let found = match outcome {
        Outcome::Is(value) => format!("{value}, which is neither true nor false"),
        Outcome::Missing(claim) => format!("the token has no claim `{claim}`"),
        Outcome::Fails(why) => why.clone(),
        Outcome::Unknown(why) => return Condition::unknown(what, expression.text(), why),
    };
    Condition::new(what, expression.text(), found, Holds::No)
}

/// What the token says in the claims that an expression reads.
pub(super) fn found_for(text: &str, token: &TokenClaims) -> String {
    let read = token.all().iter().filter(|(name, _)| reads(text, name));
    let read: Vec<String> = read.map(|(name, value)| format!("{name} = {value}")).collect();
    if read.is_empty() { NOTHING.to_owned() } else { one_of(&[read.join(", ")]) }
}

fn reads(text: &str, claim: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let after_dot =
        text.match_indices(&format!(".{claim}")).any(|(at, found)| ends(&text[at + found.len()..]));
    after_dot || text.contains(&format!("['{claim}']")) || text.contains(&format!("[\"{claim}\"]"))
}

fn open_prefix(text: &str) -> Option<&str> {
    text.match_indices(".startsWith(").find_map(|(at, call)| {
        let rest = &text[at + call.len()..];
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let prefix = rest[1..].split(quote).next()?;
        let open = prefix.contains(':') && !prefix.ends_with([':', '/']);
        open.then_some(prefix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(mapping: &Value, condition: &str) -> GoogleProvider {
        GoogleProvider::parse(&json!({"oidc": {"issuerUri": "https://i"}, "attributeMapping": mapping, "attributeCondition": condition})).unwrap()
    }

    fn accepts(mapping: &Value, condition: &str, subject: &str) -> Holds {
        let claims = json!({"iss": "https://i", "aud": "x", "sub": subject, "project": "web", "run_id": "r"});
        provider(mapping, condition).evaluate(&TokenClaims::new(claims.as_object().unwrap().clone())).accepts
    }

    #[test]
    fn the_subject_has_127_bytes() {
        let mapping = json!({"google.subject": "assertion.sub"});
        assert_eq!(accepts(&mapping, "true", &"a".repeat(127)), Holds::Yes);
        assert_eq!(accepts(&mapping, "true", &"a".repeat(128)), Holds::No);
        assert_eq!(
            accepts(&json!({"google.subject": "assertion.run_id"}), "true", &"a".repeat(128)),
            Holds::Yes
        );
        assert_eq!(accepts(&json!({"attribute.a": "assertion.sub"}), "true", "a"), Holds::No);
    }

    #[test]
    fn mapping_comes_before_the_condition() {
        let mapping = json!({"google.subject": "assertion.sub", "attribute.project": "assertion.project"});
        assert_eq!(
            accepts(&mapping, "attribute.project == 'web' && google.subject.startsWith('a:')", "a:b"),
            Holds::Yes
        );
        assert_eq!(accepts(&mapping, "attribute.project == 'other'", "a"), Holds::No);
        assert_eq!(accepts(&mapping, "assertion.stack == 'prod'", "a"), Holds::No);
        assert_eq!(accepts(&mapping, "assertion.project", "a"), Holds::No);
        assert_eq!(accepts(&json!({"google.subject": "assertion.nope"}), "true", "a"), Holds::No);
        assert!(
            GoogleProvider::parse(&json!({"attributeMapping": {"google.subject": "other.sub"}})).is_err()
        );
    }

    #[test]
    fn what_is_not_evaluated_is_unknown_also_where_it_is_mapped() {
        let unread = r"assertion.sub.matches('^\\Qa\\E$')";
        assert_eq!(accepts(&json!({"google.subject": "assertion.sub"}), unread, "a"), Holds::Unknown);
        let mapping =
            json!({"google.subject": "assertion.sub", "attribute.a": format!("{unread} ? 'x' : 'y'")});
        assert_eq!(accepts(&mapping, "attribute.a == 'x'", "a"), Holds::Unknown);
        let mapping = json!({"google.subject": format!("{unread} ? 'x' : 'y'")});
        assert_eq!(accepts(&mapping, "true", "a"), Holds::Unknown);
    }

    #[test]
    fn the_default_audience_is_the_provider() {
        let name = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
        let found = GoogleProvider::parse(
            &json!({"name": name, "attributeMapping": {"google.subject": "assertion.sub"}}),
        )
        .unwrap();
        assert_eq!(found.audiences()[0], format!("https://iam.googleapis.com/{name}"));
        assert_eq!(found.audiences()[1], resource("1", "p", "q"));
    }

    #[test]
    fn every_trap_has_a_name() {
        let mapping = json!({"google.subject": "assertion.sub"});
        let codes = |condition: &str| -> Vec<&'static str> {
            provider(&mapping, condition).findings().into_iter().map(|one| one.code).collect()
        };
        assert_eq!(codes(""), ["condition_missing"]);
        assert_eq!(codes("assertion.sub == 'a'"), [""; 0]);
        assert_eq!(codes("assertion.project == 'web'"), ["organization_missing"]);
        assert_eq!(codes("assertion.sub.matches('acme')"), ["unanchored"]);
        assert_eq!(codes("assertion.sub.startsWith('runmint:deploy:org:acme')"), ["wildcard_within_name"]);
        assert_eq!(codes("assertion.sub.startsWith('runmint:deploy:org:acme:')"), [""; 0]);
    }
}
