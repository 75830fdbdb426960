//! For load balancers and monitors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::contract::{Answers, SchemaOf, schema_of};
use crate::api::health::{Alive, Checks, Health, Readiness, ReadinessStatus, Version};
use crate::flows::readiness::readiness;

/// The process is alive.
pub async fn healthz() -> Json<Health> {
    Json(Health { status: Alive::Ok })
}

/// Whether the process can mint: monitors go by the status code, people read the body.
pub struct Ready(Readiness);

pub async fn readyz(State(api): State<Arc<Api>>) -> Ready {
    let readiness = readiness(&api.app).await;
    let status = if readiness.is_ready() { ReadinessStatus::Ready } else { ReadinessStatus::NotReady };
    let or_ok = |trouble: Option<String>| trouble.unwrap_or_else(|| "ok".to_owned());
    Ready(Readiness {
        status,
        checks: Checks {
            database: or_ok(readiness.database.map(str::to_owned)),
            signing_key: or_ok(readiness.signing_key),
            rotation: or_ok(readiness.rotation),
        },
        jwks_age_seconds: readiness.jwks_age_seconds,
    })
}

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        let status = match self.0.status {
            ReadinessStatus::Ready => StatusCode::OK,
            ReadinessStatus::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(self.0)).into_response()
    }
}

impl Answers for Ready {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE]
            .map(|status| (status, Some(schema_of::<Readiness> as SchemaOf)))
            .into()
    }
}

pub async fn version() -> Json<Version> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    Json(Version { name: name.to_owned(), version: version.to_owned() })
}
