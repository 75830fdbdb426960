//! Risky or useless parts of an authentication configuration.

use super::configuration::{AuthenticationConfiguration, Authenticator, ClaimRule, Mapped};
use crate::trust_documents::lint::Finding;

const MAX_AUTHENTICATORS: usize = 64;

impl AuthenticationConfiguration {
    /// Risky or useless parts of the configuration, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.0.len() > MAX_AUTHENTICATORS {
            found.push(Finding::problem(
                "too_many",
                format!("an API server accepts at most {MAX_AUTHENTICATORS} authenticators"),
            ));
        }
        for (index, one) in self.0.iter().enumerate() {
            if self.0[..index].iter().any(|other| other.issuer == one.issuer) {
                found.push(Finding::problem(
                    "twice",
                    format!("{} has two authenticators, which the API server refuses", one.issuer),
                ));
            }
            found.extend(one.findings());
        }
        found
    }
}

impl Authenticator {
    fn findings(&self) -> Vec<Finding> {
        let issuer = &self.issuer;
        let mut found = Vec::new();
        let bounds = |rule: &ClaimRule| match rule {
            ClaimRule::Required { claim, .. } => claim == "sub",
            ClaimRule::Expression(expression) => {
                expression.text().contains("claims.sub") || expression.text().contains("claims['sub']")
            }
        };
        if !self.claim_rules.iter().any(bounds) {
            found.push(Finding::problem(
                "subject_missing",
                format!("{issuer}: no claimValidationRule reads `sub`: every run of every organization of the issuer is an authenticated user"),
            ));
        }
        for rule in &self.claim_rules {
            let ClaimRule::Expression(expression) = rule else { continue };
            let text = expression.text();
            if text.contains(".matches(") && !text.contains(".matches('^") && !text.contains(".matches(\"^") {
                found.push(Finding::problem("unanchored", format!("{issuer}: `matches` finds the pattern anywhere in the text: begin it with ^ and end it with $")));
            }
        }
        if self.audiences.is_empty() {
            found.push(Finding::problem(
                "audience_missing",
                format!("{issuer}: the API server needs at least one audience"),
            ));
        }
        let prefixed = match &self.username {
            Mapped::Claim { prefix, .. } => !prefix.is_empty(),
            Mapped::Expression(expression) => expression.text().contains('+'),
        };
        if !prefixed && self.user_rules.is_empty() {
            found.push(Finding::warning(
                "username_without_prefix",
                format!(
                    "{issuer}: the username has no prefix: a token could name a user from another source"
                ),
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
    fn names_every_pitfall() {
        let sub = json!([{"claim": "sub", "requiredValue": "a"}]);
        let prefixed = json!({"claim": "sub", "prefix": "runmint:"});
        let codes = |one: AuthenticationConfiguration| {
            one.findings().into_iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(configuration(json!([]), prefixed.clone(), json!([]))), ["subject_missing"]);
        assert_eq!(codes(configuration(sub.clone(), prefixed.clone(), json!([]))), [""; 0]);
        assert_eq!(
            codes(configuration(sub, json!({"claim": "sub", "prefix": ""}), json!([]))),
            ["username_without_prefix"]
        );
        assert_eq!(
            codes(configuration(json!([{"expression": "claims.sub.matches('a')"}]), prefixed, json!([]))),
            ["unanchored"]
        );
    }
}
