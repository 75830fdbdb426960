//! Risky or useless parts of a trust policy.

use super::operator::Set;
use super::policy::{KeyCondition, Statement, TrustPolicy};
use super::value;
use super::vocabulary::MAX_POLICY_CHARS;
use crate::trust_documents::lint::Finding;

impl TrustPolicy {
    /// Risky or useless parts of the policy, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.chars > MAX_POLICY_CHARS {
            found.push(Finding::problem(
                "too_long",
                format!(
                    "{} characters; AWS accepts {MAX_POLICY_CHARS} unless the quota was raised",
                    self.chars
                ),
            ));
        }
        if !self.statements.iter().any(|one| one.allows && !one.federated.is_empty()) {
            found.push(Finding::problem("trusts_nobody", "no statement allows a federated principal"));
        }
        for statement in self.statements.iter().filter(|one| one.allows) {
            found.extend(statement.scope());
        }
        for statement in &self.statements {
            found.extend(statement.conditions.iter().flat_map(|one| one.findings(statement)));
        }
        found
    }
}

impl Statement {
    fn scope(&self) -> Vec<Finding> {
        let name = &self.name;
        let bounds = |claim: &str| {
            let suffix = format!(":{claim}");
            self.conditions
                .iter()
                .any(|one| one.key.to_ascii_lowercase().ends_with(&suffix) && one.operator.binds())
        };
        let mut found = Vec::new();
        if !bounds("sub") {
            found.push(Finding::problem(
                "subject_missing",
                format!("{name} has no condition on `sub`: every run of every organization of the issuer may assume the role"),
            ));
        }
        if !bounds("aud") {
            found.push(Finding::warning(
                "audience_missing",
                format!("{name} has no condition on `aud`: tokens for every client ID of the provider are accepted"),
            ));
        }
        if self.federated.iter().any(|arn| arn == "*") {
            found.push(Finding::problem(
                "any_principal",
                format!("{name} trusts every principal instead of one provider"),
            ));
        }
        if let Some(arn) = self.federated.iter().find(|arn| arn.ends_with('/')) {
            found.push(Finding::problem(
                "trailing_slash",
                format!("{name}: `{arn}` ends in a slash, but no issuer of runmint does"),
            ));
        }
        found
    }

    /// Whether a token of this statement's providers can have the key.
    fn has_key(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        if key.starts_with("aws:") || key.starts_with("sts:") || self.federated.iter().any(|arn| arn == "*") {
            return true;
        }
        self.federated.iter().any(|arn| {
            let provider = arn.split_once(":oidc-provider/").map_or("", |(_, url)| url).to_ascii_lowercase();
            ["aud", "sub", "amr"].iter().any(|claim| key == format!("{provider}:{claim}"))
        })
    }
}

impl KeyCondition {
    fn findings(&self, statement: &Statement) -> Vec<Finding> {
        let (name, key, operator) = (&statement.name, &self.key, self.operator);
        let mut found = Vec::new();
        if !statement.has_key(key) {
            found.push(Finding::problem(
                "unreachable_condition",
                format!("{name}: no token has `{key}`. AWS reads aud, sub and amr of a self-hosted issuer, under the URL in Principal.Federated without https://"),
            ));
        }
        if !key.to_ascii_lowercase().ends_with(":sub") {
            return found;
        }
        if operator.set == Some(Set::AllValues) {
            found.push(Finding::warning(
                "all_values",
                format!("{name}: ForAllValues also holds for a token without `{key}`"),
            ));
        }
        for text in &self.values {
            self.find_in_value(statement, text, &mut found);
        }
        found
    }

    fn find_in_value(&self, statement: &Statement, text: &str, found: &mut Vec<Finding>) {
        let Some(pattern) = value::pattern(text, true, true) else { return };
        let (name, operator) = (&statement.name, self.operator);
        if operator.takes_wildcards() {
            if operator.is_negated() {
                return;
            }
            if statement.allows && pattern.opens_organization() && !pattern.is_anything() {
                found.push(Finding::problem(
                    "any_organization",
                    format!("{name}: `{text}` has a wildcard at or before the organization: it also matches other organizations"),
                ));
            }
            if statement.allows && pattern.has_one() {
                found.push(Finding::problem(
                    "any_character",
                    format!(
                        "{name}: each `?` in `{text}` matches any character: it also matches other names"
                    ),
                ));
            }
            if pattern.is_anything() {
                found.push(Finding::problem(
                    "any_subject",
                    format!("{name}: `{text}` matches every subject of the issuer"),
                ));
            } else if pattern.star_within_a_component() {
                found.push(Finding::problem(
                    "wildcard_within_name",
                    format!("{name}: `{text}` has a wildcard in the middle of a name: it also matches longer names"),
                ));
            } else if pattern.is_exact() {
                found.push(Finding::note(
                    "no_wildcard",
                    format!("{name}: `{text}` has no wildcard: use StringEquals, which is stricter"),
                ));
            }
        } else if !pattern.is_exact() && !operator.is_negated() {
            found.push(Finding::problem(
                "wildcard_taken_literally",
                format!("{name}: {operator} takes the wildcard in `{text}` literally, and no subject contains it: nothing matches. Use StringLike"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
    fn codes(condition: Value) -> Vec<&'static str> {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
            "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/i"}}]});
        TrustPolicy::parse(&policy).unwrap().findings().into_iter().map(|one| one.code).collect()
    }

    #[test]
    fn names_every_pitfall() {
        let aud = json!({"i:aud": "sts.amazonaws.com"});
        assert_eq!(codes(json!({})), ["subject_missing", "audience_missing"]);
        assert_eq!(codes(json!({"StringEquals": {"i:aud": "a", "i:sub": "x"}})), [""; 0]);
        assert_eq!(
            codes(json!({"StringEquals": {"i:aud": "a", "i:sub": "x:*"}})),
            ["wildcard_taken_literally"]
        );
        for (sub, expected) in [
            ("*", &["any_subject"][..]),
            ("p:org:acme*", &["any_organization", "wildcard_within_name"]),
            ("p:org:acme:stack:pro*", &["wildcard_within_name"]),
            ("p:org:acme", &["no_wildcard"]),
        ] {
            assert_eq!(codes(json!({"StringEquals": aud, "StringLike": {"i:sub": sub}})), expected, "{sub}");
        }
        assert_eq!(codes(json!({"StringEquals": aud, "StringLike": {"i:sub": "p:org:acme:*"}})), [""; 0]);
        for open in ["p:deploy:org:*:stack:prod", "p:*:org:acme:stack:prod", "p:deploy:*", "*:stack:prod"] {
            for operator in ["StringLike", "ForAnyValue:StringLike", "StringLikeIfExists"] {
                let both = json!({"StringEquals": {"i:aud": "a", "i:sub": "x"}, operator: {"i:sub": [open]}});
                assert_eq!(codes(both), ["any_organization"], "{operator} {open}");
            }
        }
        assert_eq!(
            codes(json!({"StringEquals": aud, "StringLike": {"i:sub": "p:org:acme:stack:?"}})),
            ["any_character"]
        );
        for (operator, value) in [
            ("Null", json!("false")),
            ("ArnNotLike", json!("x")),
            ("ArnLike", json!("x")),
            ("StringNotEquals", json!("x")),
            ("StringNotLike", json!("x")),
            ("Bool", json!("x")),
        ] {
            let found = codes(json!({"StringEquals": aud, operator: {"i:sub": value}}));
            assert_eq!(found, ["subject_missing"], "{operator}");
        }
        for operator in ["StringEqualsIgnoreCase", "ForAnyValue:StringEquals"] {
            assert_eq!(codes(json!({"StringEquals": aud, operator: {"i:sub": "x"}})), [""; 0], "{operator}");
        }
        assert_eq!(
            codes(
                json!({"StringEquals": {"i:aud": "a", "i:sub": "x", "i:project": "website", "other:sub": "y"}})
            ),
            ["unreachable_condition", "unreachable_condition"]
        );
        assert_eq!(
            codes(json!({"StringEquals": aud, "StringEqualsIfExists": {"i:sub": "x"}})),
            ["subject_missing"]
        );
        assert_eq!(
            codes(json!({"StringEquals": aud, "ForAllValues:StringEquals": {"i:sub": "x"}})),
            ["subject_missing", "all_values"]
        );
        assert_eq!(
            codes(json!({"StringEquals": aud, "StringNotEquals": {"i:sub": "x"}})),
            ["subject_missing"]
        );
        let long: Vec<String> = (0..300).map(|n| format!("p:org:acme:{n}")).collect();
        assert_eq!(codes(json!({"StringEquals": {"i:aud": "a", "i:sub": long}})), ["too_long"]);
    }
}
