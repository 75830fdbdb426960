//! Every refusal as a problem document (RFC 9457), and the only place with status codes of refusals.
//! Internal causes are logged here and never sent.

use std::borrow::Cow;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::flows::StoreError;
use crate::flows::access_tokens::CreateAccessTokenError;
use crate::flows::audience_profiles::AudienceProfilesError;
use crate::flows::authorize::AuthorizeError;
use crate::flows::cloud_settings::CloudSettingsError;
use crate::flows::end_run::EndRunError;
use crate::flows::exchange_token::ExchangeError;
use crate::flows::make_key::MakeKeyError;
use crate::flows::mint_id_token::MintError;
use crate::flows::organizations::CreateOrganizationError;
use crate::flows::policies::PolicyFlowError;
use crate::flows::principals::PrincipalError;
use crate::flows::refresh_keys::RefreshError;
use crate::flows::reseal_keys::ResealError;
use crate::flows::revoke_key::RevokeError;
use crate::flows::rotate_keys::RotateError;
use crate::flows::snapshot_verifiers::SnapshotVerifierError;
use crate::flows::start_run::StartRunError;
use crate::flows::trusted_issuers::TrustedIssuerError;
use crate::signing::key_store::KeyStoreError;
use crate::signing::signer::SigningError;

#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
}

/// What kind of problem; `type` in the document is `urn:runmint:problem:` and the kind's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    BadRequest,
    Unauthorized,
    Forbidden,
    RunEnded,
    AudienceNotAllowed,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    ContentTooLarge,
    UnsupportedMediaType,
    InvalidInput,
    Internal,
    Unavailable,
}

impl ProblemKind {
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Credential needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::RunEnded => (StatusCode::FORBIDDEN, "run-ended", "Run has ended"),
            Self::AudienceNotAllowed => {
                (StatusCode::FORBIDDEN, "audience-not-allowed", "Audience not allowed")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "Request timed out"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::ContentTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "content-too-large", "Content too large")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input", "Invalid input"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
        }
    }
}

impl Problem {
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// The same words for every wrong, missing, expired or revoked credential.
    pub fn unauthorized() -> Self {
        Self::new(
            ProblemKind::Unauthorized,
            "Send a valid token as `Authorization: Bearer TOKEN`. It may be missing, wrong, expired or revoked.",
        )
    }

    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::BadRequest, detail)
    }

    pub fn invalid_input(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::InvalidInput, detail)
    }

    pub fn not_found() -> Self {
        Self::new(
            ProblemKind::NotFound,
            "There is nothing at this address; /openapi.yaml lists what there is.",
        )
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            ProblemKind::MethodNotAllowed,
            "This address does not take this method; /openapi.yaml lists which does.",
        )
    }

    pub fn unavailable() -> Self {
        Self::new(ProblemKind::Unavailable, "The server cannot do this right now. Try again in a moment.")
    }

    fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, cause = ?error.source(), "internal error");
        Self::new(ProblemKind::Internal, "Something went wrong in the server; its log says what.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, slug, title) = self.kind.describe();
        let body = json!({
            "type": format!("urn:runmint:problem:{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.kind {
            ProblemKind::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ProblemKind::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "the database failed");
                Self::unavailable()
            }
            StoreError::Corrupt(_) => Self::internal(&error),
        }
    }
}

impl From<AuthorizeError> for Problem {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Unauthenticated => Self::unauthorized(),
            AuthorizeError::Forbidden { .. }
            | AuthorizeError::NotCovered { .. }
            | AuthorizeError::NotItsActor { .. } => Self::new(ProblemKind::Forbidden, sentence(&error)),
            AuthorizeError::NotFound(_) => Self::new(ProblemKind::NotFound, sentence(&error)),
            AuthorizeError::Store(error) => error.into(),
        }
    }
}

impl From<CreateOrganizationError> for Problem {
    fn from(error: CreateOrganizationError) -> Self {
        match error {
            CreateOrganizationError::Name(_) | CreateOrganizationError::IssuerTooLong { .. } => {
                Self::invalid_input(sentence(&error))
            }
            CreateOrganizationError::MakeKey(error) => error.into(),
            CreateOrganizationError::NameTaken(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            CreateOrganizationError::Store(error) => error.into(),
        }
    }
}

impl From<MakeKeyError> for Problem {
    fn from(error: MakeKeyError) -> Self {
        match error {
            MakeKeyError::KeyStore(KeyStoreError::Unreachable { .. }) | MakeKeyError::Interrupted => {
                tracing::error!(%error, "no signing key could be made");
                Self::unavailable()
            }
            MakeKeyError::KeyStore(_) | MakeKeyError::Unusable(_) => Self::internal(&error),
            MakeKeyError::Store(error) => error.into(),
        }
    }
}

impl From<CreateAccessTokenError> for Problem {
    fn from(error: CreateAccessTokenError) -> Self {
        match error {
            CreateAccessTokenError::Name
            | CreateAccessTokenError::Role
            | CreateAccessTokenError::ExpiresIn => Self::invalid_input(sentence(&error)),
            CreateAccessTokenError::Store(error) => error.into(),
        }
    }
}

impl From<StartRunError> for Problem {
    fn from(error: StartRunError) -> Self {
        match error {
            StartRunError::UnknownService { .. }
            | StartRunError::Attribute(_)
            | StartRunError::Ttl { .. }
            | StartRunError::AudienceCount
            | StartRunError::Audience(_)
            | StartRunError::Shape { .. }
            | StartRunError::SubjectTooLong { .. } => Self::invalid_input(sentence(&error)),
            StartRunError::Profiles(_) => {
                tracing::error!(%error, "no run: the audience profiles do not fit the configured services");
                Self::invalid_input(sentence(&error))
            }
            StartRunError::CloudSettings(error) => error.into(),
            StartRunError::OrganizationDeleted => Self::new(ProblemKind::NotFound, sentence(&error)),
            StartRunError::Store(error) => error.into(),
        }
    }
}

impl From<AudienceProfilesError> for Problem {
    fn from(error: AudienceProfilesError) -> Self {
        match error {
            AudienceProfilesError::Profiles(_) => Self::invalid_input(sentence(&error)),
            AudienceProfilesError::Changed(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            AudienceProfilesError::Audience(_) | AudienceProfilesError::Runs => {
                Self::bad_request(sentence(&error))
            }
            AudienceProfilesError::Form(_) => Self::internal(&error),
            AudienceProfilesError::Store(error) => error.into(),
        }
    }
}

impl From<CloudSettingsError> for Problem {
    fn from(error: CloudSettingsError) -> Self {
        match error {
            CloudSettingsError::Document(_) => Self::invalid_input(sentence(&error)),
            CloudSettingsError::Changed(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            CloudSettingsError::Saved(_) => Self::internal(&error),
            CloudSettingsError::Store(error) => error.into(),
        }
    }
}

impl From<EndRunError> for Problem {
    fn from(error: EndRunError) -> Self {
        match error {
            EndRunError::EndedOtherwise(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            EndRunError::Gone => Self::new(ProblemKind::NotFound, sentence(&error)),
            EndRunError::Store(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Held(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            RotateError::NoSuchRing => Self::new(ProblemKind::NotFound, sentence(&error)),
            RotateError::Refresh(error) => error.into(),
            RotateError::MakeKey(error) => error.into(),
            RotateError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Store(error) => error.into(),
            RefreshError::Load(error) => Self::internal(&error),
            RefreshError::Barred(_) => {
                tracing::warn!(%error, "refused");
                Self::unavailable()
            }
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NoSuchKey => Self::new(ProblemKind::NotFound, sentence(&error)),
            RevokeError::Already(_) | RevokeError::NotPublished => {
                Self::new(ProblemKind::Conflict, sentence(&error))
            }
            RevokeError::Store(error) => error.into(),
        }
    }
}

impl From<ResealError> for Problem {
    fn from(error: ResealError) -> Self {
        match error {
            ResealError::NotEverywhere { .. } | ResealError::Changed(_) => {
                Self::new(ProblemKind::Conflict, sentence(&error))
            }
            ResealError::Sealing(_) => Self::internal(&error),
            ResealError::Refresh(error) => error.into(),
            ResealError::Store(error) => error.into(),
        }
    }
}

impl From<SnapshotVerifierError> for Problem {
    fn from(error: SnapshotVerifierError) -> Self {
        match error {
            SnapshotVerifierError::Name
            | SnapshotVerifierError::NoKeys
            | SnapshotVerifierError::NoSuchKey(_) => Self::invalid_input(sentence(&error)),
            SnapshotVerifierError::NameTaken(_) => Self::new(ProblemKind::Conflict, sentence(&error)),
            SnapshotVerifierError::NoSuchVerifier => Self::new(ProblemKind::NotFound, sentence(&error)),
            SnapshotVerifierError::Store(error) => error.into(),
        }
    }
}

impl From<PrincipalError> for Problem {
    fn from(error: PrincipalError) -> Self {
        match error {
            PrincipalError::Name | PrincipalError::Rights => Self::invalid_input(sentence(&error)),
            PrincipalError::NameTaken { .. } => Self::new(ProblemKind::Conflict, sentence(&error)),
            PrincipalError::NoSuch { .. } => Self::new(ProblemKind::NotFound, sentence(&error)),
            PrincipalError::Store(error) => error.into(),
        }
    }
}

impl From<TrustedIssuerError> for Problem {
    fn from(error: TrustedIssuerError) -> Self {
        match error {
            TrustedIssuerError::Name
            | TrustedIssuerError::Url(_)
            | TrustedIssuerError::Thumbprints
            | TrustedIssuerError::MaxExpiration
            | TrustedIssuerError::Jwks(_)
            | TrustedIssuerError::Unreachable(_) => Self::invalid_input(sentence(&error)),
            TrustedIssuerError::StaticKeys => Self::bad_request(sentence(&error)),
            TrustedIssuerError::TooMany | TrustedIssuerError::Taken => {
                Self::new(ProblemKind::Conflict, sentence(&error))
            }
            TrustedIssuerError::NoSuchIssuer => Self::new(ProblemKind::NotFound, sentence(&error)),
            TrustedIssuerError::Store(error) => error.into(),
        }
    }
}

impl From<PolicyFlowError> for Problem {
    fn from(error: PolicyFlowError) -> Self {
        match error {
            PolicyFlowError::Form(_)
            | PolicyFlowError::Policies(_)
            | PolicyFlowError::Saving(_)
            | PolicyFlowError::Role { .. } => Self::invalid_input(sentence(&error)),
            PolicyFlowError::NoSuchPolicy => Self::new(ProblemKind::NotFound, sentence(&error)),
            PolicyFlowError::Changed => Self::new(ProblemKind::Conflict, sentence(&error)),
            PolicyFlowError::Undecided => Self::internal(&error),
            PolicyFlowError::Store(error) => error.into(),
        }
    }
}

/// For those that are no refusals of the exchange itself: those have a form of their own.
impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Run(error) => error.into(),
            ExchangeError::Mint(error) => error.into(),
            // Policies that were saved and cannot be read.
            ExchangeError::Policies(error) => Self::internal(&error),
            ExchangeError::Store(error) => error.into(),
            other => Self::bad_request(sentence(&other)),
        }
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Unauthenticated => Self::unauthorized(),
            MintError::RunEnded(_) => Self::new(ProblemKind::RunEnded, sentence(&error)),
            MintError::Audience(_) => Self::bad_request(sentence(&error)),
            MintError::AudienceNotAllowed { .. } => {
                Self::new(ProblemKind::AudienceNotAllowed, sentence(&error))
            }
            MintError::Lifetime(_) | MintError::Shape { .. } => Self::invalid_input(sentence(&error)),
            MintError::NoSigningKey
            | MintError::KeyReplaced
            | MintError::NotPublished
            | MintError::Keys(_)
            | MintError::NotRecorded(_)
            | MintError::Signing(SigningError::Busy) => {
                tracing::warn!(%error, "no token");
                Self::unavailable()
            }
            MintError::Signing(SigningError::Unusable(_) | SigningError::Failed(_)) => Self::internal(&error),
            MintError::Store(error) => error.into(),
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
