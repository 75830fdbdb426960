//! Evaluates trust policies as IAM does.

use serde_json::Value;

use super::operator::{Comparison, Set};
use super::policy::{KeyCondition, Statement, TrustPolicy};
use super::value;
use super::vocabulary::{
    ASSUME, FLAT_TAGS, SET_SOURCE_IDENTITY, SOURCE_IDENTITY, TAG_SESSION, TAGS, provider_of,
};
use crate::trust_documents::token::TokenClaims;
use crate::trust_documents::verdict::{Condition, Holds, NOTHING, Verdict, listed, one_of};

/// The values of a condition key in a request.
enum Said {
    Values(Vec<String>),
    /// The value depends on the request, not on the token.
    NotInToken,
}

impl TrustPolicy {
    /// Whether a role with this policy can be assumed with the token (IAM User Guide, "Policy evaluation logic").
    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let needed = needed_actions(token);
        let of_statement = |one: &Statement| one.evaluate(token, &needed, self.has_variables);
        let (allowing, denying): (Vec<&Statement>, Vec<&Statement>) =
            self.statements.iter().partition(|one| one.allows);
        let mut denied: Vec<Verdict> =
            denying.into_iter().map(of_statement).filter(|verdict| verdict.accepts != Holds::No).collect();
        denied.sort_by_key(|verdict| std::cmp::Reverse(verdict.accepts));
        let allowed =
            Verdict::any(allowing.into_iter().map(of_statement).collect(), "a statement with Effect Allow");
        let allowed = with_audience_form(allowed, token);
        // A Deny that applies overrides every Allow.
        match denied.into_iter().next() {
            Some(deny) if allowed.accepts != Holds::No => Verdict {
                accepts: deny.accepts.negated(),
                part: format!("{} (Deny)", deny.part),
                conditions: deny.conditions,
            },
            _ => allowed,
        }
    }
}

/// "Token audience contains more than one audience while authorized party is not present."
fn with_audience_form(mut verdict: Verdict, token: &TokenClaims) -> Verdict {
    if token.audiences().len() > 1 && token.find("azp").is_none() {
        let found = token.audiences().join(", ");
        verdict.conditions.push(Condition::new("token `aud`", "one audience, or an `azp`", found, Holds::No));
        verdict.accepts = Holds::No;
    }
    verdict
}

/// A token with session tags or a source identity needs further actions.
fn needed_actions(token: &TokenClaims) -> Vec<&'static str> {
    let tagged = token.all().keys().any(|claim| claim == TAGS || claim.starts_with(FLAT_TAGS));
    let mut needed = vec![ASSUME];
    needed.extend(tagged.then_some(TAG_SESSION));
    needed.extend(token.find(SOURCE_IDENTITY).map(|_| SET_SOURCE_IDENTITY));
    needed
}

impl Statement {
    fn evaluate(&self, token: &TokenClaims, needed: &[&str], variables: bool) -> Verdict {
        let mut conditions = vec![self.principal(token)];
        conditions.extend(self.action(needed));
        conditions.extend(self.conditions.iter().map(|one| one.evaluate(token, variables)));
        Verdict::all(self.name.clone(), conditions)
    }

    fn principal(&self, token: &TokenClaims) -> Condition {
        let provider = token.issuer().map(provider_of);
        let is_it = |arn: &String| {
            arn == "*"
                || (arn.starts_with("arn:")
                    && arn.split_once(":oidc-provider/").map(|(_, url)| url) == provider.as_deref())
        };
        let holds = Holds::of(self.federated.iter().any(is_it));
        let found = provider.as_deref().map_or(NOTHING.to_owned(), |url| format!("a token of {url}"));
        Condition::new("Principal.Federated", one_of(&self.federated), found, holds)
    }

    /// An Allow needs every action; a Deny applies if it names one of them.
    fn action(&self, needed: &[&str]) -> Vec<Condition> {
        let named = |action: &str| {
            let lower = action.to_ascii_lowercase();
            let fits = |one: &String| value::pattern(&one.to_ascii_lowercase(), true, false);
            self.actions.iter().filter_map(fits).any(|pattern| pattern.matches(&lower))
        };
        let condition =
            |action: &str| Condition::new("Action", action, one_of(&self.actions), Holds::of(named(action)));
        if self.allows {
            return needed.iter().map(|action| condition(action)).collect();
        }
        let applies = needed.iter().copied().find(|action| named(action)).unwrap_or(ASSUME);
        vec![condition(applies)]
    }
}

impl KeyCondition {
    fn evaluate(&self, token: &TokenClaims, variables: bool) -> Condition {
        let what = format!("{} {}", self.operator, self.key);
        let expected = one_of(&self.values);
        let values = match said(&self.key, token) {
            Said::Values(values) => values,
            Said::NotInToken => {
                return Condition::unknown(what, expected, "depends on the request, not on the token");
            }
        };
        let found = listed(&values.iter().map(String::as_str).collect::<Vec<_>>());
        Condition::new(what, expected, found, self.holds(&values, variables))
    }

    fn holds(&self, found: &[String], variables: bool) -> Holds {
        let operator = self.operator;
        match operator.comparison {
            Comparison::OfSomethingElse(_) => return Holds::Unknown,
            Comparison::Null => {
                let absent = found.is_empty();
                return Holds::of(
                    self.values.iter().any(|wanted| wanted.eq_ignore_ascii_case(&absent.to_string())),
                );
            }
            _ if found.is_empty() => {
                // Negated operators and ForAllValues hold for a missing key.
                let all_of_none = operator.set == Some(Set::AllValues);
                let negated = operator.is_negated() && operator.set.is_none();
                return Holds::of(operator.if_exists || all_of_none || negated);
            }
            _ => {}
        }
        let one = |text: &str| {
            let matched = self.values.iter().map(|value| self.compare(value, text, variables));
            let any = matched.max().unwrap_or(Holds::No);
            if operator.is_negated() { any.negated() } else { any }
        };
        let each = found.iter().map(|text| one(text));
        match operator.set {
            Some(Set::AllValues) => each.min().unwrap_or(Holds::Yes),
            // Without a set operator, a key with several values never matches.
            None if found.len() > 1 => Holds::of(operator.is_negated()),
            Some(Set::AnyValue) | None => each.max().unwrap_or(Holds::No),
        }
    }

    fn compare(&self, value: &str, text: &str, variables: bool) -> Holds {
        let Some(pattern) = value::pattern(value, self.operator.takes_wildcards(), variables) else {
            return Holds::Unknown;
        };
        Holds::of(match self.operator.comparison {
            Comparison::EqualsIgnoreCase | Comparison::NotEqualsIgnoreCase | Comparison::Bool => {
                pattern.exact_text().is_some_and(|value| value.to_lowercase() == text.to_lowercase())
            }
            _ => pattern.matches(text),
        })
    }
}

/// Ignores the case of keys, but not of values.
fn said(key: &str, token: &TokenClaims) -> Said {
    let lower = key.to_ascii_lowercase();
    if let Some(tag) = lower.strip_prefix("aws:requesttag/") {
        return Said::Values(
            tags(token)
                .into_iter()
                .filter(|(name, _)| name.to_ascii_lowercase() == tag)
                .map(|(_, value)| value)
                .collect(),
        );
    }
    match lower.as_str() {
        "aws:tagkeys" => return Said::Values(tags(token).into_iter().map(|(name, _)| name).collect()),
        "sts:sourceidentity" => {
            return Said::Values(token.text(SOURCE_IDENTITY).map(str::to_owned).into_iter().collect());
        }
        _ => {}
    }
    if lower.starts_with("aws:") || lower.starts_with("sts:") {
        return Said::NotInToken;
    }
    let provider = token.issuer().map(provider_of).unwrap_or_default().to_ascii_lowercase();
    let name = lower.strip_prefix(&provider).and_then(|rest| rest.strip_prefix(':'));
    Said::Values(match name {
        // `azp` takes precedence over `aud`.
        Some("aud") => match token.text("azp") {
            Some(party) => vec![party.to_owned()],
            None => token.audiences().into_iter().map(str::to_owned).collect(),
        },
        Some("sub") => token.subject().map(str::to_owned).into_iter().collect(),
        Some("amr") => texts(token.find("amr")),
        // The key of another provider, or a claim that AWS does not read.
        _ => Vec::new(),
    })
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn tags(token: &TokenClaims) -> Vec<(String, String)> {
    let nested =
        token.find(TAGS).and_then(|tags| tags.get("principal_tags")?.as_object()).into_iter().flatten();
    let nested =
        nested.flat_map(|(name, value)| texts(Some(value)).into_iter().map(move |one| (name.clone(), one)));
    let flat = token.all().iter().filter_map(|(claim, value)| Some((claim.strip_prefix(FLAT_TAGS)?, value)));
    let flat =
        flat.flat_map(|(name, value)| texts(Some(value)).into_iter().map(move |one| (name.to_owned(), one)));
    nested.chain(flat).collect()
}

#[cfg(test)]
mod tests;
