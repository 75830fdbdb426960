//! A run's tokens, requested at the run's request URL.

use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::jitter::random;
use crate::cli::admin::id_token::request_of_the_run;
use crate::cli::api::client::Client;
use crate::cli::api::foreign_token::part;
use crate::cli::api::refusal::refusal;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::clouds::exchange::pause_after;
use crate::entropy::SystemEntropy;

/// An upper bound for lifetimes that a token claims.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
const FIRST_ATTEMPTS: u32 = 3;

/// The request URL of a run, and its request token.
pub(in crate::cli) struct TokenSource {
    client: Client,
    url: Url,
    request_token: Zeroizing<String>,
}

/// A token and its validity by this machine's clock, independent of the issuer's clock.
pub(in crate::cli) struct RunToken {
    pub(in crate::cli) text: Zeroizing<String>,
    pub(in crate::cli) claims: Map<String, Value>,
    pub(in crate::cli) received_at: Timestamp,
    pub(in crate::cli) lifetime: SignedDuration,
    /// By the issuer's clock, Unix time in seconds.
    pub(in crate::cli) exp: i64,
}

/// Why the server issued no token.
#[derive(Debug, Clone)]
pub(in crate::cli) enum NoToken {
    /// Final: the run has ended, or the request token is wrong.
    Ended(String),
    /// The request is wrong.
    Refused(String),
    /// A retry may help.
    Unavailable(String),
}

/// The answer of the request protocol. Platforms other than GitHub and runmint leave out `count`.
#[derive(Deserialize)]
struct Answer {
    value: String,
}

impl TokenSource {
    pub(in crate::cli) fn of_the_run() -> Result<Self, Failure> {
        let (url, request_token) = request_of_the_run()?;
        Self::new(&url, request_token)
    }

    pub(in crate::cli) fn new(url: &str, request_token: Zeroizing<String>) -> Result<Self, Failure> {
        let url = Url::parse(url)
            .map_err(|error| Failure::usage(format!("could not read the request URL: {error}")))?;
        let client = Client::at(url.as_str(), Some(request_token.clone()))?;
        Ok(Self { client, url, request_token })
    }

    /// The URL for one audience and the request token, for a client that requests tokens itself.
    pub(in crate::cli) fn request_for(&self, audience: &str) -> (String, &str) {
        (self.with(Some(audience), None).into(), &self.request_token)
    }

    /// Requests a new token. `None` leaves the choice to the server.
    pub(in crate::cli) async fn token(
        &self,
        audience: Option<&str>,
        lifetime: Option<SignedDuration>,
    ) -> Result<RunToken, NoToken> {
        // Taken before the request, so that the token never expires earlier than assumed here.
        let received_at = SystemClock.now();
        let url = self.with(audience, lifetime);
        let answer = self.client.get_with_status(url.as_str()).await;
        let (status, body) = answer.map_err(|failure| NoToken::Unavailable(failure.to_string()))?;
        let body = Zeroizing::new(body);
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        let read = || {
            let answer: Answer = serde_json::from_slice(&body).ok()?;
            let text = Zeroizing::new(answer.value);
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            let claims = part(&text, 1).filter(|_| text.bytes().all(is_token))?;
            let time = |name: &str| claims.get(name).and_then(Value::as_i64);
            let (exp, iat) = (time("exp")?, time("iat")?);
            let seconds = exp.checked_sub(iat).filter(|seconds| *seconds > 0)?;
            let lifetime = SignedDuration::from_secs(seconds).min(LONGEST);
            Some(RunToken { text, claims, received_at, lifetime, exp })
        };
        read().ok_or_else(|| {
            NoToken::Refused("the answer does not contain a token: is the request URL right?".to_owned())
        })
    }

    /// The first token of a command: retries while the server restarts.
    pub(in crate::cli) async fn first_token(
        &self,
        audience: &str,
        lifetime: Option<SignedDuration>,
    ) -> Result<RunToken, NoToken> {
        let mut attempts = 0;
        loop {
            let asked = match lifetime {
                Some(wanted) => self.long_token(audience, wanted).await,
                None => self.token(Some(audience), None).await,
            };
            attempts += 1;
            match asked {
                Err(NoToken::Unavailable(_)) if attempts < FIRST_ATTEMPTS => {
                    tokio::time::sleep(pause_after(attempts - 1, random(&SystemEntropy::new()))).await;
                }
                asked => return asked,
            }
        }
    }

    /// A token for clients that read it late: with the lifetime `wanted`, or with the server's default.
    pub(in crate::cli) async fn long_token(
        &self,
        audience: &str,
        wanted: SignedDuration,
    ) -> Result<RunToken, NoToken> {
        match self.token(Some(audience), Some(wanted)).await {
            // `wanted` may exceed the longest lifetime that the server grants.
            Err(NoToken::Refused(_)) => self.token(Some(audience), None).await,
            answered => answered,
        }
    }

    fn with(&self, audience: Option<&str>, lifetime: Option<SignedDuration>) -> Url {
        let mut url = self.url.clone();
        let lifetime = lifetime.map(|lifetime| lifetime.as_secs().to_string());
        for (name, value) in [("audience", audience), ("lifetime_seconds", lifetime.as_deref())] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }
}

impl NoToken {
    pub(in crate::cli) fn text(&self) -> &str {
        match self {
            Self::Ended(text) | Self::Refused(text) | Self::Unavailable(text) => text,
        }
    }
}

impl From<NoToken> for Failure {
    fn from(no_token: NoToken) -> Self {
        match no_token {
            NoToken::Ended(text) | NoToken::Refused(text) => Self::failed(text),
            NoToken::Unavailable(text) => Self::unreachable(text),
        }
        .because("could not get a token for the run")
    }
}

fn refused(status: StatusCode, body: &[u8]) -> NoToken {
    let text = refusal(status, body);
    match status.as_u16() {
        401 | 403 => NoToken::Ended(text),
        408 | 425 | 429 | 500.. => NoToken::Unavailable(text),
        _ => NoToken::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_whether_to_retry() {
        let of = |status: u16| refused(StatusCode::from_u16(status).unwrap(), b"");
        for status in [401, 403] {
            assert!(matches!(of(status), NoToken::Ended(_)), "{status}");
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(of(status), NoToken::Unavailable(_)), "{status}");
        }
        for status in [204, 302, 400, 404, 422] {
            assert!(matches!(of(status), NoToken::Refused(_)), "{status}");
        }
    }

    #[test]
    fn audience_and_lifetime_are_appended_encoded() {
        let source =
            TokenSource::new("https://id.example.com/t?api-version=1", "rt".to_owned().into()).unwrap();
        let url = source.with(Some("api://a b&c"), Some(SignedDuration::from_mins(10)));
        assert_eq!(
            url.as_str(),
            "https://id.example.com/t?api-version=1&audience=api%3A%2F%2Fa+b%26c&lifetime_seconds=600"
        );
        assert_eq!(source.with(None, None).as_str(), "https://id.example.com/t?api-version=1");
    }
}
