//! The outcome of an inspection, for people and for scripts.

use serde_json::{Value, json};

use super::check::{Check, Outcome};
use super::checks::{self, Evidence};
use crate::api::runs::Limit;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::limits;
use crate::cli::terminal::output::{Colour, paint, pretty, safe};
use crate::clouds;
use crate::issuer::url::IssuerUrl;

pub(super) struct Report {
    header: Value,
    claims: Value,
    checks: Vec<Check>,
    limits: Vec<Limit>,
    /// Why the issuer could not be asked, though it should have been.
    failure: Option<String>,
}

impl Report {
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let claims = evidence.claims.clone().map_or(Value::Null, Value::Object);
        Self {
            header: evidence.header.clone().map_or(Value::Null, Value::Object),
            checks: checks::all(evidence),
            limits: cloud_limits(&claims),
            claims,
            failure: evidence.published.failure().map(str::to_owned),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let check = |check: &Check| {
            let ok = match check.outcome {
                Outcome::Right => Some(true),
                Outcome::Wrong => Some(false),
                Outcome::Note | Outcome::Unknown => None,
            };
            json!({"check": check.name, "ok": ok, "detail": check.detail})
        };
        json!({
            "valid": self.valid(),
            "header": self.header,
            "claims": self.claims,
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "limits": self.limits,
        })
    }

    pub(super) fn to_text(&self) -> String {
        let decoded = [("header", &self.header), ("claims", &self.claims)]
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{name}\n{}\n\n", pretty(value)));
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let checks = self.checks.iter().map(|check| {
            let (name, detail) = (check.name, safe(&check.detail));
            format!("  {}  {name:width$}  {detail}\n", mark(check.outcome))
        });
        let limits = match self.limits.as_slice() {
            [] => String::new(),
            limits => format!("\nlimits of relying parties\n{}", limits::lines(limits)),
        };
        let (decoded, checks): (String, String) = (decoded.collect(), checks.collect());
        format!("{decoded}checks\n{checks}{limits}\n{}\n", self.conclusion())
    }

    /// How the command ends: a token that is wrong is wrong, whether or not the issuer answered.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match (self.valid(), &self.failure) {
            (Some(true), _) | (None, None) => Ok(()),
            (Some(false), _) => Err(Failure::token_not_valid(format!(
                "the token is not valid: {}",
                self.named(Outcome::Wrong)
            ))),
            (None, Some(why)) => Err(Failure::unreachable(format!("the token could not be verified: {why}"))),
        }
    }

    /// `None` where nothing is wrong and not everything could be checked.
    fn valid(&self) -> Option<bool> {
        let any = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        if any(Outcome::Wrong) {
            Some(false)
        } else if any(Outcome::Unknown) {
            None
        } else {
            Some(true)
        }
    }

    fn named(&self, outcome: Outcome) -> String {
        let checks = self.checks.iter().filter(|check| check.outcome == outcome);
        checks.map(|check| check.name).collect::<Vec<_>>().join(", ")
    }

    fn conclusion(&self) -> String {
        match self.valid() {
            Some(true) => paint(Colour::Green, "Valid."),
            Some(false) => paint(Colour::Red, &format!("Not valid: {}.", self.named(Outcome::Wrong))),
            None => {
                let open = self.named(Outcome::Unknown);
                paint(
                    Colour::Yellow,
                    &format!("Not verified: nothing is wrong, but these were not checked: {open}."),
                )
            }
        }
    }
}

fn mark(outcome: Outcome) -> String {
    match outcome {
        Outcome::Right => paint(Colour::Green, "ok   "),
        Outcome::Wrong => paint(Colour::Red, "wrong"),
        Outcome::Note => paint(Colour::Yellow, "note "),
        Outcome::Unknown => paint(Colour::Yellow, "?    "),
    }
}

/// What clouds would make of the claims, once they are verified.
fn cloud_limits(claims: &Value) -> Vec<Limit> {
    let issuer = claims["iss"].as_str().and_then(|text| IssuerUrl::parse(text).ok());
    let audience = match &claims["aud"] {
        Value::Array(several) => several.first().and_then(Value::as_str),
        one => one.as_str(),
    };
    match (issuer, claims["sub"].as_str(), audience) {
        (Some(issuer), Some(subject), Some(audience)) => {
            limits::of_checks(&clouds::limits::check(&issuer, subject, &[audience.to_owned()]))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
