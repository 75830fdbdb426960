//! Request bodies: bounded in size and time before they are parsed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::marker::PhantomData;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::time::timeout;
use url::form_urlencoded;

use super::Api;
use super::problem::Problem;
use crate::api::problem::ProblemType;
use runmint_json::object_of;

pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A body that is not read yet: authentication and authorization of the caller come first.
pub struct UnreadBody<T>(Request, PhantomData<fn() -> T>);

impl<S: Send + Sync, T> FromRequest<S> for UnreadBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request, PhantomData))
    }
}

impl<T: DeserializeOwned> UnreadBody<T> {
    /// Reads it as JSON.
    pub async fn json(self, api: &Api) -> Result<T, Problem> {
        let (parts, body) = self.0.into_parts();
        require_json(&parts.headers)?;
        let bytes = timeout(api.body_timeout, collect(&parts.headers, body)).await.map_err(|_| {
            Problem::new(ProblemType::RequestTimeout, "The body did not arrive in time. Send it again.")
        })??;
        parse(&bytes)
    }

    /// Reads it as the fields of a form or as the members of a JSON object, as `Content-Type` says. What is
    /// no string in JSON is its JSON text. Inside, why they cannot be read: nothing may stand twice.
    pub async fn fields(self, api: &Api) -> Result<Result<BTreeMap<String, String>, String>, Problem> {
        let (parts, body) = self.0.into_parts();
        let is_form = is_of_type(&parts.headers, "application/x-www-form-urlencoded");
        if !is_form {
            require_json(&parts.headers)?;
        }
        let bytes = timeout(api.body_timeout, collect(&parts.headers, body)).await.map_err(|_| {
            Problem::new(ProblemType::RequestTimeout, "The body did not arrive in time. Send it again.")
        })??;
        Ok(if is_form { fields_of_form(&bytes) } else { fields_of_json(&bytes) })
    }
}

fn fields_of_form(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if fields.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(format!("`{name}` appears twice"));
        }
    }
    Ok(fields)
}

fn fields_of_json(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let members = object_of(bytes).map_err(|error| format!("the body is not a JSON object: {error}"))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Well-formed first, and only then what it says: else how far a reader gets would decide between 400
/// and 422.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Problem::bad_request(format!("The body is not valid UTF-8: {error}.")))?;
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| Problem::bad_request(format!("The body is not valid JSON: {error}.")))?;
    // An array would be taken for the members in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::invalid_input("The body must be a JSON object."));
    }
    serde_json::from_str(text).map_err(|error| {
        let error = error.to_string().replace("expected i64", "expected a whole number");
        Problem::invalid_input(format!("The body does not have the expected form: {error}."))
    })
}

fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_of_type(headers, "application/json") {
        return Ok(());
    }
    Err(Problem::new(
        ProblemType::UnsupportedMediaType,
        "Send a JSON body with `Content-Type: application/json`.",
    ))
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            ProblemType::ContentTooLarge,
            format!("The body is too large: at most {MAX_BODY_BYTES} bytes are accepted."),
        )
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::bad_request("The body ended before it was complete.")),
    }
}
