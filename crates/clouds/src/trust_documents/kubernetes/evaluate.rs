//! Evaluates authentication configurations as an API server does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::configuration::{AuthenticationConfiguration, Authenticator, ClaimRule, Mapped};
use crate::trust_documents::expression::{Expression, Outcome, found_for, not_a_value};
use crate::trust_documents::token::TokenClaims;
use crate::trust_documents::verdict::{Condition, Holds, Verdict};

impl AuthenticationConfiguration {
    /// Whether one of the authenticators accepts the token.
    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        Verdict::any(self.0.iter().map(|one| one.evaluate(token)).collect(), "a jwt authenticator")
    }
}

impl Authenticator {
    fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let mut conditions = vec![
            Condition::equals("issuer.url", &self.issuer, token.issuer()),
            Condition::any_of("issuer.audiences", &self.audiences, &token.audiences()),
        ];
        conditions.extend(self.claim_rules.iter().map(|rule| rule.evaluate(token)));
        let mut user = Map::new();
        let mut unknown: Option<String> = None;
        match self.username.value(token) {
            Ok(Value::String(name)) if !name.is_empty() => {
                conditions.push(Condition::new("claimMappings.username", "a text", &name, Holds::Yes));
                user.insert("username".to_owned(), name.into());
            }
            Ok(other) => conditions.push(Condition::new(
                "claimMappings.username",
                "a text",
                other.to_string(),
                Holds::No,
            )),
            Err(why) => conditions.push(why.condition("claimMappings.username", "a text", &mut unknown)),
        }
        for (name, mapping) in &self.others {
            match mapping.value(token) {
                Ok(value) => drop(user.insert(name.clone(), value)),
                // A claim for groups or uid may be missing, but an expression must have a value.
                Err(_) if matches!(mapping, Mapped::Claim { .. }) => {}
                Err(why) => {
                    conditions.push(why.condition(&format!("claimMappings.{name}"), "a value", &mut unknown));
                }
            }
        }
        user.entry("groups").or_insert_with(|| json!([]));
        let variables = BTreeMap::from([("user", Value::Object(user))]);
        // An unknown mapping makes everything that depends on it unknown.
        let outcome = |rule: &Expression| match &unknown {
            Some(why) => Outcome::Unknown(why.clone()),
            None => rule.evaluate(&variables),
        };
        conditions.extend(self.user_rules.iter().map(|rule| match outcome(rule) {
            Outcome::Is(Value::Bool(holds)) => Condition::new(
                "userValidationRules",
                rule.text(),
                variables["user"].to_string(),
                Holds::of(holds),
            ),
            failed => not_a_value("userValidationRules", rule, &failed),
        }));
        Verdict::all(self.issuer.clone(), conditions)
    }
}

impl ClaimRule {
    fn evaluate(&self, token: &TokenClaims) -> Condition {
        match self {
            Self::Required { claim, value } => {
                Condition::equals(&format!("claimValidationRules {claim}"), value, token.text(claim))
            }
            Self::Expression(expression) => {
                let variables = BTreeMap::from([("claims", Value::Object(token.all().clone()))]);
                match expression.evaluate(&variables) {
                    Outcome::Is(Value::Bool(holds)) => Condition::new(
                        "claimValidationRules",
                        expression.text(),
                        found_for(expression.text(), token),
                        Holds::of(holds),
                    ),
                    failed => not_a_value("claimValidationRules", expression, &failed),
                }
            }
        }
    }
}

impl Mapped {
    fn value(&self, token: &TokenClaims) -> Result<Value, NoValue> {
        match self {
            Self::Claim { claim, prefix } => match token.find(claim) {
                Some(Value::String(text)) => Ok(format!("{prefix}{text}").into()),
                Some(Value::Array(several)) => Ok(several
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|text| format!("{prefix}{text}"))
                    .collect()),
                Some(_) => Err(NoValue::Refused(format!("the claim `{claim}` is not a string"))),
                None => Err(NoValue::Refused(format!("the token has no claim `{claim}`"))),
            },
            Self::Expression(expression) => {
                let variables = BTreeMap::from([("claims", Value::Object(token.all().clone()))]);
                match expression.evaluate(&variables) {
                    Outcome::Is(value) => Ok(value),
                    Outcome::Missing(claim) => {
                        Err(NoValue::Refused(format!("the token has no claim `{claim}`")))
                    }
                    Outcome::Fails(why) => Err(NoValue::Refused(why)),
                    Outcome::Unknown(why) => Err(NoValue::Unknown(why)),
                }
            }
        }
    }
}

/// Why a part of the user has no value.
enum NoValue {
    Refused(String),
    Unknown(String),
}

impl NoValue {
    fn condition(self, what: &str, expected: &str, unknown: &mut Option<String>) -> Condition {
        match self {
            Self::Refused(why) => Condition::new(what, expected, why, Holds::No),
            Self::Unknown(why) => {
                unknown.get_or_insert_with(|| why.clone());
                Condition::unknown(what, expected, why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
    fn configuration(rules: Value, username: Value, user_rules: Value) -> AuthenticationConfiguration {
        AuthenticationConfiguration::parse(&json!({"jwt": [{
            "issuer": {"url": "https://i", "audiences": ["kubernetes"]},
            "claimValidationRules": rules, "claimMappings": {"username": username}, "userValidationRules": user_rules,
        }]}))
        .unwrap()
    }

    #[test]
    fn rules_hold_as_kubernetes_documents_them() {
        use Holds::{No, Yes};
        let claims = json!({"iss": "https://i", "aud": ["x", "kubernetes"], "sub": "a:b", "n": 1});
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        let by_claim = json!({"claim": "sub", "prefix": "runmint:"});
        let only = json!([{"expression": "!user.username.startsWith('system:')"}]);
        for (rules, username, user_rules, expected) in [
            (json!([]), by_claim.clone(), json!([]), Yes),
            (json!([{"claim": "sub", "requiredValue": "a:b"}]), by_claim.clone(), json!([]), Yes),
            (json!([{"claim": "sub", "requiredValue": "a"}]), by_claim.clone(), json!([]), No),
            (json!([{"claim": "n", "requiredValue": "1"}]), by_claim.clone(), json!([]), No),
            (
                json!([{"expression": "claims.sub == 'a:b'", "message": "m"}]),
                by_claim.clone(),
                only.clone(),
                Yes,
            ),
            (json!([{"expression": "claims.nope == 'a:b'"}]), by_claim.clone(), json!([]), No),
            (json!([]), json!({"expression": "'system:' + claims.sub"}), only.clone(), No),
            (json!([]), json!({"expression": "claims.nope"}), json!([]), No),
        ] {
            let found = configuration(rules.clone(), username.clone(), user_rules).evaluate(&token).accepts;
            assert_eq!(found, expected, "{rules} {username}");
        }
    }

    #[test]
    fn an_unsupported_mapping_makes_the_verdict_unknown() {
        let claims = json!({"iss": "https://i", "aud": "kubernetes", "sub": "a:b"});
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        let by_claim = json!({"claim": "sub", "prefix": "runmint:"});
        let unread = r"claims.sub.matches('^\\Qa:b\\E$')";
        let mapped = json!({"expression": format!("{unread} ? 'x' : 'y'")});
        let only = json!([{"expression": "user.username == 'x'"}]);
        for (rules, username, user_rules) in [
            (json!([{"expression": unread}]), by_claim, json!([])),
            (json!([]), mapped.clone(), json!([])),
            (json!([]), mapped, only),
        ] {
            let found = configuration(rules.clone(), username.clone(), user_rules).evaluate(&token).accepts;
            assert_eq!(found, Holds::Unknown, "{rules} {username}");
        }
    }
}
