use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::clouds::issuer::Unreadable;

/// A refusal of the token endpoint. The codes are Microsoft's, and so are the texts where they are known.
#[derive(Debug)]
pub(super) struct AadSts {
    pub(super) error: &'static str,
    pub(super) code: u32,
    pub(super) message: String,
}

const WHERE_TO_LOOK: &str = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

impl AadSts {
    pub(super) fn new(error: &'static str, code: u32, message: &str) -> Self {
        Self { error, code, message: message.to_owned() }
    }

    pub(super) fn malformed() -> Self {
        Self::new("invalid_request", 50027, "JWT token is invalid or malformed.")
    }

    pub(super) fn no_application(client_id: &str, tenant: &str) -> Self {
        let message = format!(
            "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You may have sent your authentication request to the wrong tenant."
        );
        Self::new("unauthorized_client", 700_016, &message)
    }

    /// 700211 for the issuer, 700212 for the audience, 700213 for the subject.
    pub(super) fn no_match(code: u32, what: &str, found: &str) -> Self {
        let message = format!(
            "No matching federated identity record found for presented assertion {what} '{found}'. Check your \
             federated identity credential Subject, Audience and Issuer against the presented assertion. {WHERE_TO_LOOK}"
        );
        Self::new("invalid_client", code, &message)
    }

    pub(super) fn answer(&self) -> Response {
        let ids = "Trace ID: 00000000-0000-4000-8000-000000000000 \
                   Correlation ID: 00000000-0000-4000-8000-000000000000 Timestamp: 2026-01-02 03:04:05Z";
        let body = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {} {ids}", self.code, self.message),
            "error_codes": [self.code],
            "timestamp": "2026-01-02 03:04:05Z",
            "trace_id": "00000000-0000-4000-8000-000000000000",
            "correlation_id": "00000000-0000-4000-8000-000000000000",
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        let status =
            if self.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        (status, Json(body)).into_response()
    }
}

impl From<Unreadable> for AadSts {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Connection => {
                Self::new("invalid_request", 50166, "Request to External OIDC endpoint failed.")
            }
            Unreadable::Discovery => Self::new(
                "invalid_request",
                70024,
                "The discovery document of the external identity provider misses a required field.",
            ),
            Unreadable::KeySet => Self::new(
                "invalid_request",
                900_612,
                "The keys of the external identity provider could not be parsed.",
            ),
        }
    }
}
