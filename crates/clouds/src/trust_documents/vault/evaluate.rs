//! Evaluates roles as Vault does.

use serde_json::Value;

use super::role::{VaultRole, several};
use crate::trust_documents::token::TokenClaims;
use crate::trust_documents::verdict::{Condition, Holds, NOTHING, Verdict, one_of};
use crate::trust_documents::wildcard::Wildcard;

impl VaultRole {
    /// Whether a token can log in with the role.
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
                "depends on the caller's address",
            ));
        }
        Verdict::all("role", conditions)
    }

    /// A role without audiences refuses a token with one.
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
}
