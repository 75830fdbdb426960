//! Evaluates providers as Google's token service does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::limits::{MAX_MAPPED_BYTES, MAX_SUBJECT_BYTES};
use super::provider::{GoogleProvider, SUBJECT};
use crate::trust_documents::expression::{Outcome, found_for, not_a_value};
use crate::trust_documents::token::TokenClaims;
use crate::trust_documents::verdict::{Condition, Holds, NOTHING, Verdict};

impl GoogleProvider {
    /// Whether the provider accepts the token: issuer, audience, attribute mapping, then attribute condition.
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
        // An unknown mapping makes everything that depends on it unknown.
        if unknown.is_none() || google.contains_key("subject") {
            conditions.push(subject(google.get("subject")));
        }
        let bytes = json!([google, attribute]).to_string().len();
        if bytes > MAX_MAPPED_BYTES {
            conditions.push(Condition::new(
                "mapped attributes",
                format!("at most {MAX_MAPPED_BYTES} bytes"),
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
}

/// The subject of the pool's identity.
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
    fn the_subject_has_at_most_127_bytes() {
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
    fn the_mapping_is_evaluated_before_the_condition() {
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
    fn an_unsupported_mapping_makes_the_verdict_unknown() {
        let unread = r"assertion.sub.matches('^\\Qa\\E$')";
        assert_eq!(accepts(&json!({"google.subject": "assertion.sub"}), unread, "a"), Holds::Unknown);
        let mapping =
            json!({"google.subject": "assertion.sub", "attribute.a": format!("{unread} ? 'x' : 'y'")});
        assert_eq!(accepts(&mapping, "attribute.a == 'x'", "a"), Holds::Unknown);
        let mapping = json!({"google.subject": format!("{unread} ? 'x' : 'y'")});
        assert_eq!(accepts(&mapping, "true", "a"), Holds::Unknown);
    }
}
