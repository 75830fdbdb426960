//! Answers that several resources give. A plain 200 is `Json`.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Something was made.
pub struct Created<T> {
    /// Where it is to be found, if it has an address.
    pub location: Option<String>,
    pub body: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let location = self.location.map(|url| [(LOCATION, url)]);
        (StatusCode::CREATED, location, Json(self.body)).into_response()
    }
}

/// It is done, and there is nothing to show.
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// A text of this media type.
pub struct Text<B>(pub &'static str, pub B);

impl<B: IntoResponse> IntoResponse for Text<B> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, self.0)], self.1).into_response()
    }
}
