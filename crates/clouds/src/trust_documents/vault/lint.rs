//! Risky or useless parts of a role.

use serde_json::Value;

use super::role::{VaultRole, several};
use crate::trust_documents::lint::Finding;
use crate::trust_documents::wildcard::Wildcard;

impl VaultRole {
    /// Risky or useless parts of the role, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let sub = self.bound_claims.get("sub").map(several).unwrap_or_default();
        let subjects: Vec<&str> = sub.into_iter().filter_map(Value::as_str).collect();
        if self.bound_subject.is_none() && subjects.is_empty() {
            found.push(if self.bound_claims.is_empty() {
                Finding::problem("subject_missing", "neither bound_subject nor bound_claims is set: every run of every organization of the issuer may log in")
            } else {
                Finding::warning("subject_missing", "no condition on `sub`: other claims do not identify the service of a run")
            });
        }
        if self.bound_audiences.is_empty() {
            found.push(Finding::problem(
                "audience_missing",
                "bound_audiences is missing: Vault then refuses every token with an `aud`, which all tokens of runmint have",
            ));
        }
        for text in subjects {
            let pattern = Wildcard::with_stars(text);
            if self.globs && pattern.opens_organization() && !pattern.is_anything() {
                found.push(Finding::problem(
                    "any_organization",
                    format!("`{text}` has a wildcard at or before the organization: it also matches other organizations"),
                ));
            }
            match (self.globs, pattern.is_exact()) {
                (true, false) if pattern.is_anything() => {
                    found.push(Finding::problem("any_subject", format!("`{text}` matches every subject of the issuer")));
                }
                (true, false) if pattern.star_within_a_component() => found.push(Finding::problem(
                    "wildcard_within_name",
                    format!("`{text}` has a wildcard in the middle of a name: it also matches longer names"),
                )),
                (false, false) => found.push(Finding::problem(
                    "wildcard_taken_literally",
                    format!("without bound_claims_type glob, Vault takes the star in `{text}` literally, and no subject contains it: nothing matches"),
                )),
                _ => {}
            }
        }
        if self.bound_subject.as_deref().is_some_and(|subject| subject.contains('*')) {
            found.push(Finding::problem(
                "wildcard_taken_literally",
                "bound_subject takes the star literally, and no subject contains it: nothing matches",
            ));
        }
        let raw = |name: &&String| self.globs && !matches!(name.as_str(), "sub" | "iss");
        let starred = |name: &&String| {
            self.bound_claims
                .get(*name)
                .map(several)
                .unwrap_or_default()
                .into_iter()
                .filter_map(Value::as_str)
                .any(|text| text.contains('*'))
        };
        for name in self.bound_claims.keys().filter(raw).filter(starred) {
            found.push(Finding::warning("wildcard_in_claim", format!("`{name}` is compared as a glob, but its values may contain any character, even separators, unlike the parts of `sub`")));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_every_pitfall() {
        let codes = |role: Value| -> Vec<&'static str> {
            let mut whole = json!({"user_claim": "sub", "bound_audiences": ["vault"]});
            whole.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
            VaultRole::parse(&whole).unwrap().findings().into_iter().map(|one| one.code).collect()
        };
        assert_eq!(codes(json!({})), ["subject_missing"]);
        assert_eq!(codes(json!({"bound_subject": "a"})), [""; 0]);
        assert_eq!(codes(json!({"bound_subject": "a:*"})), ["wildcard_taken_literally"]);
        assert_eq!(codes(json!({"bound_subject": "a", "bound_audiences": []})), ["audience_missing"]);
        assert_eq!(codes(json!({"bound_claims": {"sub": "a:*"}})), ["wildcard_taken_literally"]);
        for (sub, code) in [
            ("*", "any_subject"),
            ("p:org:acme:stack:b*", "wildcard_within_name"),
            ("p:deploy:org:*:stack:prod:*", "any_organization"),
            ("p:*", "any_organization"),
        ] {
            assert_eq!(codes(json!({"bound_claims": {"sub": sub}, "bound_claims_type": "glob"})), [code]);
        }
        assert_eq!(
            codes(
                json!({"bound_claims": {"sub": "p:org:acme:*", "project": "w*"}, "bound_claims_type": "glob"})
            ),
            ["wildcard_in_claim"]
        );
    }
}
