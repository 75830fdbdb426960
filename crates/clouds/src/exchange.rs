//! Exchanges a run's token for a cloud's credentials: the request to each token service, the meaning of its answers,
//! and the refusals that a retry may cure. The caller speaks HTTP.

pub mod aws;
pub mod azure;
pub mod google;
mod xml;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// A POST to a token service.
pub struct ExchangeRequest {
    /// Absolute; the caller must refuse any URL that is neither https nor on loopback.
    pub url: String,
    /// For the header `Content-Type`.
    pub content_type: &'static str,
    /// For the header `Accept`.
    pub accept: &'static str,
    /// For the header `Authorization`.
    pub bearer: Option<Zeroizing<String>>,
    /// It contains the token.
    pub body: Zeroizing<String>,
}

/// An access token of Entra or Google.
pub struct AccessToken {
    /// Opaque.
    pub token: Zeroizing<String>,
    /// By this machine's clock, from the lifetime in the answer; for a service account, the service's own time.
    pub expires_at: Timestamp,
}

/// Why a token service granted no credentials.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ExchangeError {
    /// The service refused the token or the request.
    #[error("{service} refuses: {code}: {message} (HTTP {status})")]
    Refused {
        service: &'static str,
        /// The HTTP status.
        status: u16,
        /// The service's own code, e.g. `invalid_grant`.
        code: String,
        /// The service's own text: show it escaped.
        message: String,
        /// Whether a retry may succeed.
        passing: bool,
    },
    /// The answer has neither credentials nor an error of the documented form.
    #[error("could not read the answer of {service} (HTTP {status})")]
    Strange { service: &'static str, status: u16 },
}

impl ExchangeError {
    /// Whether a retry may succeed. An error that is not documented as temporary is final: waiting does not mend a
    /// wrong trust policy.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { passing, .. } => *passing,
            Self::Strange { status, .. } => passes_by_status(*status),
        }
    }
}

/// The most attempts at one exchange.
pub const MOST_ATTEMPTS: u32 = 6;
/// The longest time for all attempts at one exchange.
pub const MOST_TIME: Duration = Duration::from_mins(1);

/// The pause after a failed attempt (the first is 0): half of it to all of it, by `random` from 0 to 1. It doubles with
/// each attempt, up to 16 s.
pub fn pause_after(attempt: u32, random: f64) -> Duration {
    let most = Duration::from_secs(1 << attempt.min(4));
    most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// Too many requests, or the service's own fault.
fn passes_by_status(status: u16) -> bool {
    status == 429 || status >= 500
}

fn form(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    Zeroizing::new(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// The answer to an OAuth 2.0 token request (RFC 6749 §5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Seconds,
}

/// Some services send the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

fn oauth_token(body: &[u8], asked_at: Timestamp) -> Option<AccessToken> {
    let TokenAnswer { access_token, expires_in } = serde_json::from_slice(body).ok()?;
    let token = Zeroizing::new(access_token);
    let seconds = match expires_in {
        Seconds::Number(seconds) => Some(seconds),
        Seconds::Text(text) => text.parse().ok(),
    };
    let seconds = seconds.filter(|seconds| *seconds > 0 && is_token(&token))?;
    Some(AccessToken { token, expires_at: asked_at.checked_add(SignedDuration::from_secs(seconds)).ok()? })
}

/// Reads a description that is not text as an empty one: the error's code alone still says what happened.
fn description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        _ => Ok(String::new()),
    }
}

/// Whether it is safe in a variable, a header and a line of text.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 * 1024 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_vary_and_stay_within_bounds() {
        for (attempt, most) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 16), (40, 16)] {
            assert_eq!(pause_after(attempt, 1.0), Duration::from_secs(most));
            assert_eq!(pause_after(attempt, 0.0), Duration::from_secs(most) / 2);
        }
        assert!(
            (0..MOST_ATTEMPTS - 1).map(|attempt| pause_after(attempt, 1.0)).sum::<Duration>() < MOST_TIME
        );
    }

    #[test]
    fn a_token_that_could_break_a_line_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let answer = |token: &str, seconds: &str| {
            oauth_token(format!(r#"{{"access_token": "{token}", "expires_in": {seconds}}}"#).as_bytes(), now)
        };
        assert_eq!(answer("a.b", "3600").unwrap().expires_at.as_second(), 3600);
        assert_eq!(answer("a.b", "\"3600\"").unwrap().token.as_str(), "a.b");
        for (token, seconds) in [
            ("", "1"),
            ("a\\nb", "1"),
            ("a b", "1"),
            ("a", "0"),
            ("a", "-1"),
            ("a", "null"),
            ("a", "9223372036854775807"),
        ] {
            assert!(answer(token, seconds).is_none(), "{token} {seconds}");
        }
        assert!(oauth_token(b"<html>", now).is_none());
    }
}
