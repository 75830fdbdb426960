//! `POST /api/oauth/token`: token exchange (RFC 8693), with the members of Pulumi Cloud's API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Word;
use super::runs::StartedRun;
use crate::issuer::service::Attributes;

/// `grant_type`.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// `requested_token_type` of a run, and the type of every subject token (RFC 8693 §3).
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A form or a JSON object. An empty member is the same as an absent one.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    pub grant_type: GrantType,
    /// `urn:runmint:org:ORG` or `urn:pulumi:org:ORG`.
    pub audience: String,
    /// The platform's ID token.
    pub subject_token: String,
    pub subject_token_type: SubjectTokenType,
    /// `urn:runmint:token-type:access_token:KIND`, the same with `urn:pulumi`, or [`ID_TOKEN`] for a run.
    pub requested_token_type: String,
    /// `admin`, `team:NAME`, `user:NAME` or `runner:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub scope: Option<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub expiration: Option<i64>,
    /// Of a run; `deploy` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub service: Option<String>,
    /// Of a run: those that the policy lets the caller choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ChosenAttributes")]
    pub attributes: Option<ChosenAttributes>,
    /// Audience of a run's first ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id_token_audience: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GrantType {
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectTokenType {
    #[serde(rename = "urn:ietf:params:oauth:token-type:id_token")]
    IdToken,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChosenAttributes {
    /// The text of the object, as in a form.
    Text(String),
    Object(Attributes),
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenAnswer {
    /// An access token (`rmat_…`), or the ID token of the run.
    pub access_token: String,
    /// In the spelling of the request.
    pub issued_token_type: String,
    pub token_type: AnsweredTokenType,
    /// The run that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<StartedRun>,
    /// Seconds.
    pub expires_in: i64,
    pub scope: String,
}

/// How the token is used (RFC 8693 §2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AnsweredTokenType {
    /// `Authorization: token …`, as Pulumi's clients send it.
    #[serde(rename = "token")]
    Token,
    /// Not an access token.
    #[serde(rename = "N_A")]
    NotApplicable,
}

/// A refusal (RFC 6749 §5.2), with a reason for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExchangeRefusal {
    pub error: Word<ExchangeErrorCode>,
    /// Printable ASCII.
    pub error_description: String,
    pub reason: Word<ExchangeRefusalReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeErrorCode {
    InvalidRequest,
    InvalidTarget,
    InvalidScope,
    UnsupportedGrantType,
    TemporarilyUnavailable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeRefusalReason {
    UnsupportedGrantType,
    Audience,
    Scope,
    NoSuchPrincipal,
    Form,
    Expiration,
    Malformed,
    IssuerUnknown,
    DiscoveryUnreachable,
    UnknownKey,
    Signature,
    Expired,
    NotYetValid,
    Lifetime,
    AudienceMismatch,
    NoPolicyMatched,
    DeniedByPolicy,
    TokenReused,
    Run,
    Changed,
}
