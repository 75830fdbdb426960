use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// A refusal of the token service.
#[derive(Debug)]
pub(super) struct OAuthError {
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl OAuthError {
    pub(super) fn invalid_request(description: &str) -> Self {
        Self { error: "invalid_request", description: description.to_owned() }
    }

    pub(super) fn invalid_grant(description: &str) -> Self {
        Self { error: "invalid_grant", description: description.to_owned() }
    }

    pub(super) fn no_provider() -> Self {
        let description = "The target service indicated by the \"audience\" parameters is invalid. This might either \
                           be because the pool or provider is disabled or deleted or because it doesn't exist.";
        Self { error: "invalid_target", description: description.to_owned() }
    }

    pub(super) fn not_a_jwt() -> Self {
        Self::invalid_request("Unable to parse the ID Token.")
    }

    /// Google says this for more than connection failures, for example for an unknown key.
    pub(super) fn no_issuer() -> Self {
        Self::invalid_grant("Error connecting to the given credential's issuer.")
    }

    pub(super) fn subject_too_long() -> Self {
        Self::invalid_request(
            "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute \
             mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
        )
    }

    pub(super) fn rejected() -> Self {
        let description = "The given credential is rejected by the attribute condition.";
        Self { error: "unauthorized_client", description: description.to_owned() }
    }

    pub(super) fn answer(&self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}
