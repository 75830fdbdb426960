//! Refusals (RFC 9457), which every operation but the token endpoint answers.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Word;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: Word<ProblemType>,
    /// The kind in words, the same for every problem of the type.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProblemType {
    #[serde(rename = "urn:runmint:problem:bad-request")]
    BadRequest,
    #[serde(rename = "urn:runmint:problem:unauthorized")]
    Unauthorized,
    #[serde(rename = "urn:runmint:problem:forbidden")]
    Forbidden,
    #[serde(rename = "urn:runmint:problem:run-ended")]
    RunEnded,
    #[serde(rename = "urn:runmint:problem:audience-not-allowed")]
    AudienceNotAllowed,
    #[serde(rename = "urn:runmint:problem:not-found")]
    NotFound,
    #[serde(rename = "urn:runmint:problem:method-not-allowed")]
    MethodNotAllowed,
    #[serde(rename = "urn:runmint:problem:request-timeout")]
    RequestTimeout,
    #[serde(rename = "urn:runmint:problem:conflict")]
    Conflict,
    #[serde(rename = "urn:runmint:problem:content-too-large")]
    ContentTooLarge,
    #[serde(rename = "urn:runmint:problem:unsupported-media-type")]
    UnsupportedMediaType,
    #[serde(rename = "urn:runmint:problem:invalid-input")]
    InvalidInput,
    #[serde(rename = "urn:runmint:problem:internal")]
    Internal,
    #[serde(rename = "urn:runmint:problem:unavailable")]
    Unavailable,
}
