//! Which policies may decide about a token, by its audience: one rule for exchanges, explanations and replays.
//!
//! Every policy speaks to a token whose `aud` names the organization. Any other token was made for another
//! relying party, which may pass it on (RFC 8725 §3.9): only an allowing policy with a rule for `aud` speaks to
//! it. Every denying policy does.

use serde_json::{Map, Value};

use super::definition::Policy;
use super::error::PoliciesError;
use super::reading::check_bounds;
use crate::token::{AuthenticClaims, TokenError, VerifiedClaims};

/// The policies of one issuer, compiled once for each version of them. They decide only about the claims of one
/// token, through [`PoliciesInForce::speaking_to`].
#[derive(Clone, Debug)]
pub struct PoliciesInForce {
    policies: Vec<Policy>,
    text_bytes: usize,
}

/// The policies that speak to one token. They keep the numbers that they were saved under, from 0.
#[derive(Clone, Copy, Debug)]
pub struct SpeakingPolicies<'p> {
    policies: &'p [Policy],
    claims: &'p Map<String, Value>,
    is_for_organization: bool,
}

/// The audiences that name an organization: `urn:runmint:org:{organization}`, and `urn:pulumi:org:{organization}`
/// for clients of Pulumi Cloud.
pub fn audiences_of(organization: &str) -> [String; 2] {
    [format!("urn:runmint:org:{organization}"), format!("urn:pulumi:org:{organization}")]
}

impl PoliciesInForce {
    /// Patterns are compiled when a policy is read; this checks the bounds of all policies together.
    ///
    /// Fails with [`PoliciesError::TooMany`] or [`PoliciesError::TooMuchText`].
    pub fn compile(policies: Vec<Policy>) -> Result<Self, PoliciesError> {
        check_bounds(&policies)?;
        let text_bytes = policies.iter().map(Policy::text_bytes).sum();
        Ok(Self { policies, text_bytes })
    }

    /// All of them, as saved.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Bytes of all patterns, claim paths and names: what a decision costs grows with this.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Accepts a token for `organization`, or for an audience that an allowing policy names. Audiences are matched
    /// against patterns here and not earlier: the sender of a token that its issuer did not sign must not make the
    /// server match patterns.
    ///
    /// Fails with [`TokenError::Audience`].
    pub fn admit(&self, claims: AuthenticClaims, organization: &str) -> Result<VerifiedClaims, TokenError> {
        let allowing = self.policies.iter().filter(|policy| policy.allows());
        let rules: Vec<_> = allowing.filter_map(|policy| policy.rule("aud")).collect();
        let named = |audience: &str| rules.iter().any(|rule| rule.pattern.matches(audience));
        claims.for_one_of_or(&audiences_of(organization), named)
    }

    /// The policies that may decide about a token with these claims.
    pub fn speaking_to<'p>(
        &'p self,
        claims: &'p Map<String, Value>,
        organization: &str,
    ) -> SpeakingPolicies<'p> {
        let is_for_organization = names_one_of(claims, &audiences_of(organization));
        SpeakingPolicies { policies: &self.policies, claims, is_for_organization }
    }
}

impl<'p> SpeakingPolicies<'p> {
    /// Each with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'p Policy)> {
        let speaks = |policy: &Policy| self.is_for_organization || speaks_to_others(policy);
        self.policies.iter().enumerate().filter(move |(_, policy)| speaks(policy))
    }

    pub(super) fn claims(&self) -> &'p Map<String, Value> {
        self.claims
    }

    /// How many policies do not speak to the token, because it is for another relying party.
    pub fn left_out(&self) -> usize {
        self.policies.len() - self.iter().count()
    }
}

fn speaks_to_others(policy: &Policy) -> bool {
    !policy.allows() || policy.rule("aud").is_some()
}

/// Whether `aud`, a string or an array, has one of `wanted` (RFC 7519 §4.1.3).
fn names_one_of(claims: &Map<String, Value>, wanted: &[String]) -> bool {
    let is_wanted = |audience: &Value| wanted.iter().any(|one| audience == one.as_str());
    match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(is_wanted),
        Some(one) => is_wanted(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::json;

    use super::*;
    use crate::policy::evaluation::{Asked, Verdict};

    const ASKED: Asked = Asked::Organization { admin: false };

    impl PoliciesInForce {
        /// Every policy, whomever the token is for.
        pub(crate) fn all_about<'p>(&'p self, claims: &'p Map<String, Value>) -> SpeakingPolicies<'p> {
            SpeakingPolicies { policies: &self.policies, claims, is_for_organization: true }
        }
    }

    fn in_force(policies: &[Value]) -> PoliciesInForce {
        let read = |json: &Value| serde_json::from_value(json.clone()).unwrap();
        PoliciesInForce::compile(policies.iter().map(read).collect()).unwrap()
    }

    fn policy(decision: &str, rules: &Value) -> Value {
        json!({"decision": decision, "tokenType": "organization", "rules": rules})
    }

    fn claims(aud: &Value) -> Map<String, Value> {
        json!({"sub": "a", "aud": aud}).as_object().unwrap().clone()
    }

    fn speaking(policies: &PoliciesInForce, aud: &Value) -> Vec<usize> {
        policies.speaking_to(&claims(aud), "acme").iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn only_a_policy_with_a_rule_for_aud_allows_a_token_for_another_relying_party() {
        let policies = in_force(&[
            policy("allow", &json!({"sub": "a"})),
            policy("allow", &json!({"sub": "a", "\"aud\"": "sts.*"})),
            policy("deny", &json!({"sub": "b"})),
            policy("allow", &json!({"sub": "a", "act.aud": "sts.*"})),
        ]);
        for ours in [
            json!("urn:runmint:org:acme"),
            json!("urn:pulumi:org:acme"),
            json!(["sts.amazonaws.com", "urn:runmint:org:acme"]),
        ] {
            assert_eq!(speaking(&policies, &ours), [0, 1, 2, 3], "{ours}");
        }
        for other in [
            json!("sts.amazonaws.com"),
            json!("urn:runmint:org:acme2"),
            json!("urn:runmint:org:ACME"),
            json!(["urn:runmint:org:globex"]),
            json!([["urn:runmint:org:acme"]]),
            json!({"urn:runmint:org:acme": "urn:runmint:org:acme"}),
            json!([]),
            json!(""),
            Value::Null,
        ] {
            assert_eq!(speaking(&policies, &other), [1, 2], "{other}");
            let token = claims(&other);
            let speaking = policies.speaking_to(&token, "acme");
            assert_eq!(speaking.left_out(), 2);
            assert_eq!(speaking.evaluate(&ASKED).explanation[0].policy, 1);
        }
        let any = in_force(&[policy("allow", &json!({"sub": "a", "aud": "*"}))]);
        assert!(any.admit(AuthenticClaims::of(&claims(&json!("x"))), "acme").is_ok());
        assert!(any.admit(AuthenticClaims::of(&claims(&json!(["", ""]))), "acme").is_err());
        let (sts, none) = (claims(&json!("sts.amazonaws.com")), Map::new());
        assert_eq!(policies.speaking_to(&sts, "acme").decide(&ASKED), Verdict::Allowed { policy: 1 });
        assert_eq!(policies.speaking_to(&none, "acme").decide(&ASKED), Verdict::NoMatch);
    }

    fn any_rules() -> impl Strategy<Value = Value> {
        let aud = select(vec![None, Some("*"), Some("urn:runmint:org:*"), Some("sts.*"), Some("")]);
        (aud, select(vec!["a", "b", "*"])).prop_map(|(aud, sub)| match aud {
            Some(aud) => json!({"sub": sub, "aud": aud}),
            None => json!({"sub": sub}),
        })
    }

    fn any_policy() -> impl Strategy<Value = Value> {
        (select(vec!["allow", "deny"]), any_rules()).prop_map(|(decision, rules)| policy(decision, &rules))
    }

    fn any_audience() -> impl Strategy<Value = Value> {
        let one = select(vec!["urn:runmint:org:acme", "urn:pulumi:org:acme", "sts.amazonaws.com", "x"]);
        prop_oneof![one.clone().prop_map(Value::from), vec(one, 0..3).prop_map(Value::from)]
    }

    proptest! {
        /// Decision and explanation agree, and no token that is not admitted is allowed.
        #[test]
        fn deciding_explaining_and_admitting_agree(
            policies in vec(any_policy(), 0..5), aud in any_audience(),
        ) {
            let policies = in_force(&policies);
            let token = claims(&aud);
            let speaking = policies.speaking_to(&token, "acme");
            let verdict = speaking.decide(&ASKED);
            let evaluation = speaking.evaluate(&ASKED);
            prop_assert_eq!(verdict, evaluation.decision);
            prop_assert_eq!(evaluation.explanation.len() + speaking.left_out(), policies.policies().len());
            for one in &evaluation.explanation {
                prop_assert_eq!(one.decision, policies.policies()[one.policy].decision());
            }
            let admitted = policies.admit(AuthenticClaims::of(&token), "acme").is_ok();
            let allowed = matches!(verdict, Verdict::Allowed { .. });
            prop_assert!(admitted || !allowed);
        }
    }
}
