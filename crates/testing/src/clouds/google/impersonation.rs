//! IAM Service Account Credentials: `generateAccessToken`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use runmint::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::Google;
use crate::clouds::bearer;

/// The limit unless an organization policy raises it.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn generate_access_token(
    State(google): State<Arc<Google>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let session = bearer(&google.sessions, &headers);
    let (Some(session), Some(email)) = (session, account.strip_suffix(":generateAccessToken")) else {
        let why = "Request had invalid authentication credentials.";
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", why);
    };
    let members = google.accounts.lock().unwrap();
    let members = members.iter().find(|(known, _)| known == email).map(|(_, members)| members.clone());
    let may = |member: &String| session.principal.split(' ').any(|principal| principal == member);
    if !members.unwrap_or_default().iter().any(may) {
        return refuse(
            StatusCode::FORBIDDEN,
            "PERMISSION_DENIED",
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        );
    }
    let lifetime = asked["lifetime"].as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
    let lifetime = lifetime.map_or(LONGEST, SignedDuration::from_secs);
    if lifetime > LONGEST || asked["scope"].as_array().is_none_or(Vec::is_empty) {
        let why = "Request contains an invalid argument.";
        return refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", why);
    }
    let (secret, session) = google.sessions.open(email.to_owned(), SystemClock.now(), lifetime);
    let expires_at = session.expires_at.strftime("%FT%TZ").to_string();
    Json(json!({"accessToken": secret, "expireTime": expires_at})).into_response()
}

fn refuse(status: StatusCode, name: &str, message: &str) -> Response {
    let error = json!({"error": {"code": status.as_u16(), "message": message, "status": name}});
    (status, Json(error)).into_response()
}
