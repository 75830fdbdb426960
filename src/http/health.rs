//! For load balancers and monitors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use crate::flows::readiness::readiness;

/// The process is alive.
pub async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// The process can mint.
pub async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let readiness = readiness(&api.app).await;
    let (status, word) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let body = json!({
        "status": word,
        "checks": {
            "database": readiness.database.unwrap_or("ok"),
            "signing_key": readiness.signing_key.as_deref().unwrap_or("ok"),
            "rotation": readiness.rotation.as_deref().unwrap_or("ok"),
        },
        "jwks_age_seconds": readiness.jwks_age_seconds,
    });
    (status, Json(body)).into_response()
}

pub async fn version() -> Response {
    Json(json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")})).into_response()
}
