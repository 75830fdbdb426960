//! A run's token for a cloud's credentials: what is asked of each token service, what its answers mean, and which
//! refusals may pass by themselves. No HTTP here.

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

/// A POST.
pub struct ExchangeRequest {
    pub url: String,
    pub content_type: &'static str,
    pub accept: &'static str,
    pub bearer: Option<Zeroizing<String>>,
    pub body: Zeroizing<String>,
}

/// An access token of Entra or Google.
pub struct AccessToken {
    pub token: Zeroizing<String>,
    pub expires_at: Timestamp,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ExchangeError {
    #[error("{service} refuses: {code}: {message} (HTTP {status})")]
    Refused {
        service: &'static str,
        status: u16,
        code: String,
        message: String,
        /// It may pass by itself.
        passing: bool,
    },
    #[error("{service} answers HTTP {status}, and not as it should")]
    Strange { service: &'static str, status: u16 },
}

impl ExchangeError {
    /// Whether asking again makes sense. What is not documented to pass is final: a wrong trust policy does not
    /// become right by waiting.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { passing, .. } => *passing,
            Self::Strange { status, .. } => passes_by_status(*status),
        }
    }
}

/// How often an exchange is tried, and how long in all.
pub const MOST_ATTEMPTS: u32 = 6;
pub const MOST_TIME: Duration = Duration::from_mins(1);

/// How long to wait after the failure of this attempt (the first is 0); `random` is from 0 to 1.
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

/// Whether it can stand in a variable, a header and a line of text.
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
    fn a_token_that_could_break_a_line_is_none() {
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
