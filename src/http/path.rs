//! The parameters in an address.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

/// The one parameter that an address has, decoded. What cannot be decoded is empty here: no name and no
/// id, and so answered as every other unknown one.
pub struct PathSegment(pub String);

/// The two parameters of an address, in their order.
pub struct TwoSegments(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathSegment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(segment)| segment).unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TwoSegments {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (first, second) = path.map(|Path(segments)| segments).unwrap_or_default();
        Ok(Self(first, second))
    }
}
