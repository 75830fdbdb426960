//! Risky or useless parts of a provider.

use super::limits::{MAX_ATTRIBUTES, MAX_AUDIENCE_CHARS, MAX_AUDIENCES};
use super::provider::{GoogleProvider, SUBJECT};
use crate::trust_documents::expression::reads;
use crate::trust_documents::lint::Finding;

impl GoogleProvider {
    /// Risky or useless parts of the provider, whatever the token.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let names = |name: &str| self.mapping.iter().any(|(mapped, _)| mapped == name);
        if !names(SUBJECT) {
            found.push(Finding::problem(
                "subject_missing",
                "google.subject is not mapped, but Google requires it",
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
                    found.push(Finding::warning("organization_missing", "the attributeCondition reads neither sub nor org: it may also hold for other organizations of the issuer"));
                }
                if text.contains(".matches(") && !text.contains(".matches('^") && !text.contains(".matches(\"^") && !text.contains(".matches(r'^") {
                    found.push(Finding::problem("unanchored", "`matches` finds the pattern anywhere in the text: begin it with ^ and end it with $"));
                }
                if let Some(prefix) = open_prefix(text) {
                    found.push(Finding::problem("wildcard_within_name", format!("`startsWith` with `{prefix}`, which does not end in a separator: it also matches longer names")));
                }
            }
        }
        if self.audiences.len() > MAX_AUDIENCES
            || self.audiences.iter().any(|one| one.chars().count() > MAX_AUDIENCE_CHARS)
        {
            found.push(Finding::problem(
                "audiences",
                format!("Google accepts at most {MAX_AUDIENCES} audiences of at most {MAX_AUDIENCE_CHARS} characters"),
            ));
        }
        let attributes = self.mapping.iter().filter(|(name, _)| name.starts_with("attribute."));
        if attributes.clone().count() > MAX_ATTRIBUTES {
            found.push(Finding::problem(
                "too_many",
                format!("Google accepts at most {MAX_ATTRIBUTES} attributes"),
            ));
        }
        for (name, _) in attributes {
            let own = &name["attribute.".len()..];
            let plain = own.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if own.is_empty() || own.len() > 100 || !plain {
                found.push(Finding::problem(
                    "name",
                    format!("`{name}` is not a valid attribute: use at most 100 lower-case letters, digits and underscores"),
                ));
            }
        }
        found
    }
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
    use serde_json::{Value, json};

    use super::*;

    fn provider(mapping: &Value, condition: &str) -> GoogleProvider {
        GoogleProvider::parse(&json!({"oidc": {"issuerUri": "https://i"}, "attributeMapping": mapping, "attributeCondition": condition})).unwrap()
    }

    #[test]
    fn names_every_pitfall() {
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
