//! Roles of the JWT auth method of Vault and OpenBao ("JWT/OIDC auth method (API)", "Create/update role").

mod write;

use serde_json::{Map, Value};
use thiserror::Error;

pub use self::write::VaultTarget;
use super::lint::Finding;
use super::token::TokenClaims;
use super::verdict::{Condition, Holds, NOTHING, Verdict, one_of};
use super::wildcard::Wildcard;

#[derive(Clone, Debug)]
pub struct VaultRole {
    bound_audiences: Vec<String>,
    bound_subject: Option<String>,
    bound_claims: Map<String, Value>,
    globs: bool,
    user_claim: String,
    groups_claim: Option<String>,
    token_bound_cidrs: Vec<String>,
    /// Of the auth method's configuration, where that stands beside the role.
    issuer: Option<String>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum RoleError {
    #[error("it is no role of the JWT auth method: {0}")]
    Shape(String),
    #[error("`{0}` is not evaluated here")]
    Unsupported(&'static str),
}

impl VaultRole {
    /// A role, as written or as `vault read -format=json` shows it.
    pub fn parse(document: &Value) -> Result<Self, RoleError> {
        let role = document.get("data").unwrap_or(document);
        let Some(role) = role.as_object() else { return Err(RoleError::Shape("it is no object".to_owned())) };
        let text = |name: &str| {
            role.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if text("role_type").is_some_and(|kind| kind != "jwt") {
            return Err(RoleError::Shape(
                "its role_type is not `jwt`: people log in by it, not runs".to_owned(),
            ));
        }
        if role.get("user_claim_json_pointer") == Some(&Value::Bool(true)) {
            return Err(RoleError::Unsupported("user_claim_json_pointer"));
        }
        let globs = match text("bound_claims_type").as_deref() {
            None | Some("string") => false,
            Some("glob") => true,
            Some(other) => {
                return Err(RoleError::Shape(format!("bound_claims_type is string or glob, not `{other}`")));
            }
        };
        let bound_claims = match role.get("bound_claims") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(claims)) => claims.clone(),
            Some(_) => return Err(RoleError::Shape("bound_claims is no object".to_owned())),
        };
        Ok(Self {
            bound_audiences: texts(role.get("bound_audiences")),
            bound_subject: text("bound_subject"),
            bound_claims,
            globs,
            user_claim: text("user_claim")
                .ok_or_else(|| RoleError::Shape("it has no user_claim".to_owned()))?,
            groups_claim: text("groups_claim"),
            token_bound_cidrs: texts(role.get("token_bound_cidrs")),
            issuer: text("bound_issuer").or_else(|| text("oidc_discovery_url")),
        })
    }

    pub(super) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    pub fn audiences(&self) -> Vec<String> {
        self.bound_audiences.clone()
    }

    /// What subjects may look like, as written and as read.
    pub(super) fn subject_patterns(&self) -> Vec<(String, Wildcard)> {
        let subjects = self.bound_claims.get("sub").filter(|_| self.globs).map(several).unwrap_or_default();
        let texts = subjects.into_iter().filter_map(Value::as_str);
        texts.map(|text| (text.to_owned(), Wildcard::with_stars(text))).collect()
    }

    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let mut conditions = Vec::new();
        if let Some(issuer) = &self.issuer {
            conditions.push(Condition::equals("issuer", issuer, token.issuer()));
        }
        conditions.extend(self.audience(token));
        if let Some(subject) = &self.bound_subject {
            conditions.push(Condition::equals("bound_subject", subject, token.subject()));
        }
        conditions
            .extend(self.bound_claims.iter().map(|(name, expected)| self.bound_claim(name, expected, token)));
        conditions.push(is_text("user_claim", &self.user_claim, token));
        conditions.extend(self.groups_claim.as_ref().map(|claim| {
            let found = claim_at(token, claim);
            Condition::new(
                "groups_claim",
                format!("`{claim}` in the token"),
                shown(found),
                Holds::of(found.is_some()),
            )
        }));
        if !self.token_bound_cidrs.is_empty() {
            let expected = one_of(&self.token_bound_cidrs);
            conditions.push(Condition::unknown(
                "token_bound_cidrs",
                expected,
                "it depends on the caller's address",
            ));
        }
        Verdict::all("role", conditions)
    }

    /// A token with an audience is refused by a role without any.
    fn audience(&self, token: &TokenClaims) -> Option<Condition> {
        let found = token.audiences();
        match (self.bound_audiences.is_empty(), found.is_empty()) {
            (true, true) => None,
            (true, false) => {
                Some(Condition::new("bound_audiences", "the token's audience", NOTHING, Holds::No))
            }
            (false, _) => Some(Condition::any_of("bound_audiences", &self.bound_audiences, &found)),
        }
    }

    fn bound_claim(&self, name: &str, expected: &Value, token: &TokenClaims) -> Condition {
        let wanted: Vec<&Value> = several(expected);
        let found = claim_at(token, name);
        let actual: Vec<&Value> = found.map(several).unwrap_or_default();
        let same = |wanted: &Value, actual: &Value| match (self.globs, wanted, actual) {
            (true, Value::String(glob), Value::String(text)) => Wildcard::with_stars(glob).matches(text),
            (true, ..) => false,
            (false, ..) => wanted == actual,
        };
        let holds = wanted.iter().any(|wanted| actual.iter().any(|actual| same(wanted, actual)));
        let kind = if self.globs { " (glob)" } else { "" };
        let wanted: Vec<String> = wanted.into_iter().map(plain).collect();
        Condition::new(format!("bound_claims.{name}{kind}"), one_of(&wanted), shown(found), Holds::of(holds))
    }

    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let sub = self.bound_claims.get("sub").map(several).unwrap_or_default();
        let subjects: Vec<&str> = sub.into_iter().filter_map(Value::as_str).collect();
        if self.bound_subject.is_none() && subjects.is_empty() {
            found.push(if self.bound_claims.is_empty() {
                Finding::problem("subject_missing", "neither bound_subject nor bound_claims: every run of every organization of the issuer may log in")
            } else {
                Finding::warning("subject_missing", "no condition on `sub`: other claims do not tell which service a run belongs to")
            });
        }
        if self.bound_audiences.is_empty() {
            found.push(Finding::problem(
                "audience_missing",
                "no bound_audiences: Vault refuses every token that has an `aud`, and ours all have",
            ));
        }
        for text in subjects {
            let pattern = Wildcard::with_stars(text);
            if self.globs && pattern.opens_organization() && !pattern.is_anything() {
                found.push(Finding::problem(
                    "any_organization",
                    format!("`{text}` has a star at or before the organization, so that others fit, too"),
                ));
            }
            match (self.globs, pattern.is_exact()) {
                (true, false) if pattern.is_anything() => {
                    found.push(Finding::problem("any_subject", format!("`{text}` is every subject of the issuer")));
                }
                (true, false) if pattern.star_within_a_component() => found.push(Finding::problem(
                    "wildcard_within_name",
                    format!("`{text}` has a star that does not stand right after a separator, so that longer names match, too"),
                )),
                (false, false) => found.push(Finding::problem(
                    "wildcard_taken_literally",
                    format!("without bound_claims_type glob the star in `{text}` is itself, which no subject has: nothing matches"),
                )),
                _ => {}
            }
        }
        if self.bound_subject.as_deref().is_some_and(|subject| subject.contains('*')) {
            found.push(Finding::problem(
                "wildcard_taken_literally",
                "bound_subject has no wildcards, and no subject has a star: nothing matches",
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
            found.push(Finding::warning("wildcard_in_claim", format!("`{name}` is compared as a glob: its values may hold any character, separators too, unlike the parts of `sub`")));
        }
        found
    }
}

fn several(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    }
}

/// Vault takes a list, or a text with commas.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A claim by name, or by JSON pointer.
fn claim_at<'t>(token: &'t TokenClaims, name: &str) -> Option<&'t Value> {
    let Some(pointer) = name.strip_prefix('/') else { return token.find(name) };
    let (first, rest) = pointer.split_once('/').map_or((pointer, None), |(first, rest)| (first, Some(rest)));
    let first = first.replace("~1", "/").replace("~0", "~");
    let value = token.find(&first)?;
    rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
}

fn is_text(what: &str, claim: &str, token: &TokenClaims) -> Condition {
    let found = claim_at(token, claim);
    let holds = found.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    Condition::new(what, format!("`{claim}` in the token, as text"), shown(found), Holds::of(holds))
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), plain)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
    fn accepts(role: Value, claims: Value) -> Holds {
        let mut whole = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"]});
        whole.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        VaultRole::parse(&whole).unwrap().evaluate(&token).accepts
    }

    #[test]
    fn bounds_hold_as_vault_documents_them() {
        use Holds::{No, Unknown, Yes};
        let token = json!({"iss": "https://i", "aud": "vault", "sub": "a:b", "project": "web", "n": 1, "deep": {"x/y": ["p", "q"]}});
        for (role, expected) in [
            (json!({"bound_subject": "a:b"}), Yes),
            (json!({"bound_subject": "a:*"}), No),
            (json!({"bound_audiences": "other, vault"}), Yes),
            (json!({"bound_audiences": ["other"]}), No),
            (json!({"bound_audiences": []}), No),
            (json!({"bound_claims": {"sub": "a:*"}}), No),
            (json!({"bound_claims": {"sub": "a:*"}, "bound_claims_type": "glob"}), Yes),
            (json!({"bound_claims": {"sub": ["x", "a:b"]}}), Yes),
            (json!({"bound_claims": {"sub": "a:b", "project": "other"}}), No),
            (json!({"bound_claims": {"nope": "x"}}), No),
            (json!({"bound_claims": {"n": 1}}), Yes),
            (json!({"bound_claims": {"n": "1"}}), No),
            (json!({"bound_claims": {"/deep/x~1y": "q"}}), Yes),
            (json!({"user_claim": "n"}), No),
            (json!({"groups_claim": "nope"}), No),
            (json!({"token_bound_cidrs": ["192.0.2.0/24"]}), Unknown),
            (json!({"bound_issuer": "https://j"}), No),
        ] {
            assert_eq!(accepts(role.clone(), token.clone()), expected, "{role}");
        }
    }

    #[test]
    fn every_trap_has_a_name() {
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
