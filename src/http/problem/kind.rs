//! Which status a kind of problem has.

use axum::http::StatusCode;

use crate::api::problem::ProblemType;

/// The status and the title of problems of a kind.
pub(super) fn describe(kind: ProblemType) -> (StatusCode, &'static str) {
    match kind {
        ProblemType::BadRequest => (StatusCode::BAD_REQUEST, "Bad request"),
        ProblemType::Unauthorized => (StatusCode::UNAUTHORIZED, "Credential needed"),
        ProblemType::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        ProblemType::RunEnded => (StatusCode::FORBIDDEN, "Run has ended"),
        ProblemType::AudienceNotAllowed => (StatusCode::FORBIDDEN, "Audience not allowed"),
        ProblemType::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ProblemType::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        ProblemType::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timed out"),
        ProblemType::Conflict => (StatusCode::CONFLICT, "Conflict"),
        ProblemType::ContentTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Content too large"),
        ProblemType::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
        ProblemType::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid input"),
        ProblemType::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        ProblemType::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable"),
    }
}
