//! Every refusal as a document, and the only room with status codes of refusals. Operations refuse with problem
//! documents (RFC 9457), the token endpoint with those of RFC 6749 §5.2 (`exchange`), connections with bare status
//! lines (`bare`). Internal causes are logged here and never sent.
//!
//! A file for each group of flows says which error is which kind of problem. Every match names every variant, so that
//! a new error is not sent to callers before a decision is made here.

mod access;
pub mod bare;
pub mod exchange;
mod keys;
mod kind;
mod runs;
mod trust;

use std::borrow::Cow;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

use self::kind::describe;
use crate::api::Word;
use crate::api::problem::{self as wire, ProblemType};
use crate::flows::StoreError;

#[derive(Debug)]
pub struct Problem {
    kind: ProblemType,
    detail: Cow<'static, str>,
}

impl Problem {
    pub fn new(kind: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// The same words for every wrong, missing, expired or revoked credential.
    pub fn unauthorized() -> Self {
        Self::new(
            ProblemType::Unauthorized,
            "Send a valid token as `Authorization: Bearer TOKEN`. It may be missing, wrong, expired or revoked.",
        )
    }

    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::BadRequest, detail)
    }

    pub fn invalid_input(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::InvalidInput, detail)
    }

    pub fn not_found() -> Self {
        Self::new(ProblemType::NotFound, "This address does not exist; /openapi.yaml lists those that do.")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            ProblemType::MethodNotAllowed,
            "This address does not support this method; /openapi.yaml lists the methods of each address.",
        )
    }

    pub fn unavailable() -> Self {
        Self::new(ProblemType::Unavailable, "The server cannot do this right now. Try again in a moment.")
    }

    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, cause = ?error.source(), "internal error");
        Self::new(ProblemType::Internal, "The server failed; its log says why.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title) = describe(self.kind);
        let document = wire::Problem {
            kind: Word::Known(self.kind),
            title: title.into(),
            status: status.as_u16(),
            detail: self.detail,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.kind {
            ProblemType::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ProblemType::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            ProblemType::BadRequest
            | ProblemType::Forbidden
            | ProblemType::RunEnded
            | ProblemType::AudienceNotAllowed
            | ProblemType::NotFound
            | ProblemType::MethodNotAllowed
            | ProblemType::RequestTimeout
            | ProblemType::Conflict
            | ProblemType::ContentTooLarge
            | ProblemType::UnsupportedMediaType
            | ProblemType::InvalidInput
            | ProblemType::Internal => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "database failure");
                Self::unavailable()
            }
            StoreError::Corrupt(_) => Self::internal(&error),
        }
    }
}

/// An error's text as a sentence for people.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    // The name of a field stays as it is written.
    if text.split_whitespace().next().is_some_and(|word| word.contains('_')) {
        return format!("{text}.");
    }
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}
