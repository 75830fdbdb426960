//! Refusals of the token endpoint (RFC 6749 §5.2), with a `reason` for programs. Trouble of our own is a problem as
//! everywhere.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::api::Word;
use crate::api::oauth::{ExchangeErrorCode as Code, ExchangeRefusal, ExchangeRefusalReason as Reason};
use crate::flows::exchange_token::ExchangeError;
use crate::flows::mint_id_token::MintError;
use crate::flows::start_run::StartRunError;
use crate::trust::token::RefusalClass;

pub enum TokenRefusal {
    Refused(ExchangeRefusal),
    Problem(Problem),
}

impl TokenRefusal {
    pub fn new(error: Code, reason: Reason, description: &str) -> Self {
        // RFC 6749 §5.2 leaves out what would need escaping.
        let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '\'' };
        Self::Refused(ExchangeRefusal {
            error: Word::Known(error),
            error_description: description.chars().map(plain).collect(),
            reason: Word::Known(reason),
        })
    }

    pub fn form(description: impl AsRef<str>) -> Self {
        Self::new(Code::InvalidRequest, Reason::Form, description.as_ref())
    }

    pub fn scope(description: impl AsRef<str>) -> Self {
        Self::new(Code::InvalidScope, Reason::Scope, description.as_ref())
    }

    /// The request would be in order if it asked for another run.
    fn run(description: &str) -> Self {
        Self::new(Code::InvalidRequest, Reason::Run, description)
    }
}

impl From<Problem> for TokenRefusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ExchangeError> for TokenRefusal {
    fn from(error: ExchangeError) -> Self {
        let description = error.to_string();
        let (code, reason) = match error {
            ExchangeError::IssuerUnknown => (Code::InvalidRequest, Reason::IssuerUnknown),
            ExchangeError::DiscoveryUnreachable(why) => {
                tracing::warn!(
                    error = why.with_causes(),
                    "exchange refused: could not fetch the issuer's keys"
                );
                (Code::InvalidRequest, Reason::DiscoveryUnreachable)
            }
            ExchangeError::Token(error) => (Code::InvalidRequest, reason(error.class())),
            ExchangeError::NoPolicyMatched => (Code::InvalidRequest, Reason::NoPolicyMatched),
            ExchangeError::DeniedByPolicy => (Code::InvalidRequest, Reason::DeniedByPolicy),
            ExchangeError::Reused => (Code::InvalidRequest, Reason::TokenReused),
            ExchangeError::Expiration => (Code::InvalidRequest, Reason::Expiration),
            ExchangeError::NoSuchPrincipal { .. } => (Code::InvalidScope, Reason::NoSuchPrincipal),
            ExchangeError::ChosenIdentity(_) => (Code::InvalidRequest, Reason::Run),
            ExchangeError::Changed => (Code::TemporarilyUnavailable, Reason::Changed),
            ExchangeError::Run(error) => return error.into(),
            ExchangeError::Mint(error) => return error.into(),
            // Policies that were saved and cannot be read.
            ExchangeError::Policies(error) => return Problem::internal(&error).into(),
            ExchangeError::Store(error) => return Problem::from(error).into(),
        };
        Self::new(code, reason, &description)
    }
}

impl From<StartRunError> for TokenRefusal {
    fn from(error: StartRunError) -> Self {
        match error {
            StartRunError::UnknownService { .. }
            | StartRunError::Attribute(_)
            | StartRunError::Ttl { .. }
            | StartRunError::AudienceCount
            | StartRunError::Audience(_)
            | StartRunError::SubjectTooLong { .. }
            | StartRunError::Shape { .. }
            | StartRunError::Profiles(_)
            | StartRunError::OrganizationDeleted => Self::run(&error.to_string()),
            StartRunError::CloudSettings(_) | StartRunError::Store(_) => Problem::from(error).into(),
        }
    }
}

impl From<MintError> for TokenRefusal {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Audience(_)
            | MintError::AudienceNotAllowed { .. }
            | MintError::Shape { .. }
            | MintError::Lifetime(_) => Self::run(&error.to_string()),
            MintError::Unauthenticated
            | MintError::RunEnded(_)
            | MintError::NoSigningKey
            | MintError::NotPublished
            | MintError::KeyReplaced
            | MintError::Keys(_)
            | MintError::NotRecorded(_)
            | MintError::Signing(_)
            | MintError::Store(_) => Problem::from(error).into(),
        }
    }
}

fn reason(class: RefusalClass) -> Reason {
    match class {
        RefusalClass::Malformed => Reason::Malformed,
        RefusalClass::Issuer => Reason::IssuerUnknown,
        RefusalClass::UnknownKey => Reason::UnknownKey,
        RefusalClass::Signature => Reason::Signature,
        RefusalClass::Expired => Reason::Expired,
        RefusalClass::NotYetValid => Reason::NotYetValid,
        RefusalClass::Lifetime => Reason::Lifetime,
        RefusalClass::Audience => Reason::AudienceMismatch,
    }
}

impl IntoResponse for TokenRefusal {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::Problem(problem) => return problem.into_response(),
        };
        let again = refusal.error.known() == Some(&Code::TemporarilyUnavailable);
        let status = if again { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
        let mut response = (status, Json(refusal)).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if again {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
