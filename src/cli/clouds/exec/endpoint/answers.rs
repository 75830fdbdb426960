//! The answers of a run's endpoint, and who is admitted.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::cli::clouds::exec::aws_session::AwsSession;
use crate::cli::clouds::handover::exchanges::NoCredentials;
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::{NoToken, TokenSource};
use crate::clouds::handover::LocalEndpoint;

pub(in crate::cli::clouds::exec) struct Answers {
    /// `127.0.0.1:PORT`.
    pub(in crate::cli::clouds::exec) host: String,
    pub(in crate::cli::clouds::exec) authorization: Zeroizing<String>,
    pub(in crate::cli::clouds::exec) tokens: Arc<TokenSource>,
    /// Set if the command gets AWS credentials from this endpoint.
    pub(in crate::cli::clouds::exec) aws: Option<Arc<AwsSession>>,
    pub(in crate::cli::clouds::exec) masking: Arc<Masking>,
}

type Answer = (StatusCode, Value);

impl Answers {
    pub(super) async fn answer(&self, request: Parts) -> Response<Full<Bytes>> {
        let (status, body) = match self.admit(&request) {
            Ok(()) => self.route(&request).await,
            Err(refused) => refused,
        };
        Response::builder()
            .status(status)
            .header(CONTENT_TYPE, "application/json")
            .header(CACHE_CONTROL, "no-store")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("these headers are well-formed")
    }

    /// Admits clients that have the address and the token. A web page that rebinds its DNS name to 127.0.0.1 would send
    /// that name as `Host`.
    fn admit(&self, request: &Parts) -> Result<(), Answer> {
        if only(&request.headers, &HOST) != Some(self.host.as_bytes()) {
            return Err(error(StatusCode::FORBIDDEN, "the Host header does not name this endpoint"));
        }
        let given = only(&request.headers, &AUTHORIZATION).unwrap_or_default();
        verify_slices_are_equal(given, self.authorization.as_bytes())
            .map_err(|_| error(StatusCode::UNAUTHORIZED, "the endpoint's token is missing or wrong"))
    }

    async fn route(&self, request: &Parts) -> Answer {
        let found = match (request.uri.path(), &self.aws) {
            (LocalEndpoint::ID_TOKEN_PATH, _) => None,
            (LocalEndpoint::AWS_PATH, Some(session)) => Some(session),
            _ => return error(StatusCode::NOT_FOUND, "no such path"),
        };
        if request.method != Method::GET {
            return error(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed");
        }
        match found {
            None => self.id_token(request.uri.query().unwrap_or_default()).await,
            Some(session) => aws_credentials(session).await,
        }
    }

    /// GitHub's request protocol, which Google's libraries also understand.
    async fn id_token(&self, query: &str) -> Answer {
        let Some(asked) = Asked::parse(query) else {
            return error(
                StatusCode::BAD_REQUEST,
                "the query may have `audience`, `lifetime_seconds` and `api-version`, each at most once",
            );
        };
        match self.tokens.token(asked.audience.as_deref(), asked.lifetime).await {
            Ok(token) => {
                self.masking.learn(&token.text);
                (StatusCode::OK, json!({"count": 1, "value": token.text.as_str()}))
            }
            Err(no_token) => refused(&no_token),
        }
    }
}

/// Credentials as a container credential provider returns them
/// (docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
async fn aws_credentials(session: &AwsSession) -> Answer {
    match session.credentials().await {
        Ok(credentials) => (
            StatusCode::OK,
            json!({
                "AccessKeyId": credentials.access_key_id,
                "SecretAccessKey": credentials.secret_access_key.as_str(),
                "Token": credentials.session_token.as_str(),
                "Expiration": credentials.expires_at.to_string(),
            }),
        ),
        Err(NoCredentials::NoToken(no_token)) => refused(&no_token),
        Err(NoCredentials::Refused(text)) => error(StatusCode::BAD_GATEWAY, &text),
        Err(NoCredentials::Unreachable(text)) => error(StatusCode::SERVICE_UNAVAILABLE, &text),
    }
}

#[derive(Default, Debug, PartialEq)]
struct Asked {
    audience: Option<String>,
    lifetime: Option<SignedDuration>,
}

impl Asked {
    fn parse(query: &str) -> Option<Self> {
        let (mut asked, mut version) = (Self::default(), None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_second = match name.as_ref() {
                "api-version" => version.replace(value.into_owned()).is_some(),
                "audience" => asked.audience.replace(value.into_owned()).is_some(),
                "lifetime_seconds" => {
                    asked.lifetime.replace(SignedDuration::from_secs(value.parse().ok()?)).is_some()
                }
                _ => true,
            };
            if is_second {
                return None;
            }
        }
        Some(asked)
    }
}

/// The value of a header that occurs exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &axum::http::HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

fn refused(no_token: &NoToken) -> Answer {
    let status = match no_token {
        NoToken::Ended(_) => StatusCode::FORBIDDEN,
        NoToken::Refused(_) => StatusCode::BAD_REQUEST,
        NoToken::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    error(status, no_token.text())
}

/// AWS clients show `code` and `message`, runmint shows `detail`.
fn error(status: StatusCode, text: &str) -> Answer {
    (
        status,
        json!({"code": status.as_u16().to_string(), "message": text, "title": "runmint exec", "detail": text}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        assert_eq!(Asked::parse("").unwrap(), Asked::default());
        let asked = Asked::parse("api-version=1&audience=api%3A%2F%2Fa&lifetime_seconds=60").unwrap();
        assert_eq!(asked.audience.as_deref(), Some("api://a"));
        assert_eq!(asked.lifetime, Some(SignedDuration::from_mins(1)));
        for bad in
            ["audience=a&audience=b", "lifetime_seconds=x", "lifetime_seconds=1&lifetime_seconds=1", "x=1"]
        {
            assert!(Asked::parse(bad).is_none(), "{bad}");
        }
    }
}
