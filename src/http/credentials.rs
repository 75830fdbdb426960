//! The `Authorization` header.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Api;
use super::problem::Problem;
use crate::flows::authorize::{Caller, authenticate};

/// The secret in `Authorization: Bearer X` or `Authorization: token X`; the scheme in any case
/// (RFC 9110 §11.1). Two such headers are as good as none.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then(|| secret.trim())
}

/// A caller whose access token was checked, before anything else of the request is looked at.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Arc<Api>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let secret = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
        Ok(Self(authenticate(&api.app, secret).await?))
    }
}
