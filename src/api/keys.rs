//! `/api/keys`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Word;
use super::page::page;

/// The JOSE name (RFC 7518 §3.1) of an algorithm that ID tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

/// `GET /api/keys`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyTimeline {
    /// By the database's clock.
    pub now: Timestamp,
    pub keys: Vec<SigningKey>,
    /// The processes with a lease.
    pub replicas: Vec<Replica>,
    /// Conditions that need an operator, as this process last saw them.
    pub alarms: Vec<RingNotice>,
    /// Work for an operator before it becomes an alarm.
    pub reminders: Vec<RingNotice>,
}

/// A signing key and the times of its life. The private half is never shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SigningKey {
    /// Thumbprint of the public key (RFC 7638).
    pub kid: String,
    /// `None` when that issuer has no published key any more.
    pub issuer: Option<String>,
    pub algorithm: Algorithm,
    pub state: KeyState,
    pub kept_in: Word<KeyStore>,
    pub has_private_half: bool,
    pub created_at: Timestamp,
    pub published_at: Timestamp,
    /// For `next`: when every cache has it.
    pub warm_at: Option<Timestamp>,
    pub signs_from: Option<Timestamp>,
    /// When the next key should take over.
    pub due_at: Option<Timestamp>,
    pub signs_until: Option<Timestamp>,
    /// When it leaves the key set.
    pub leaves_at: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The access token that revoked it.
    pub revoked_by: Option<Uuid>,
    /// How many tokens it signed, give or take the last seconds.
    pub signatures: i64,
    pub last_fetched_at: Option<Timestamp>,
    /// For `next`: processes, static copies and snapshot verifiers that are not known to have it.
    pub not_acknowledged: Vec<String>,
    /// RFC 7517.
    pub public_jwk: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    Next,
    Active,
    Previous,
    Removed,
    Revoked,
}

/// Where a private key is or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStore {
    Database,
    Pkcs11,
    AwsKms,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replica {
    pub name: String,
    pub version: String,
    /// Ids of the sealing keys that it can open with, the one that it seals with first.
    pub sealing_keys: Vec<String>,
    pub seen_at: Timestamp,
}

/// An alarm or a reminder about the keys of one issuer and algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RingNotice {
    /// `None` where it is about the process.
    pub issuer: Option<String>,
    pub algorithm: Option<Algorithm>,
    pub what: String,
}

/// `POST /api/keys/rotate`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeys {
    /// `None` for the shared issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// RS256 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Word<Algorithm>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyTakesOver {
    pub kid: String,
    pub signs_from: Timestamp,
}

/// `POST /api/keys/{id}/revoke`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// Must be `true`.
    pub compromised: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedKey {
    pub kid: String,
    pub revoked_at: Timestamp,
    /// The key that signs instead.
    pub successor: Option<KeySuccessor>,
    pub unexpired_tokens: UnexpiredTokens,
    /// Static copies that may still have the key.
    pub copies_with_the_key: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeySuccessor {
    pub kid: String,
    pub signs_from: Timestamp,
    pub not_acknowledged: Vec<String>,
}

/// The tokens of a revoked key that have not expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnexpiredTokens {
    pub count: i64,
    /// Where they are listed.
    pub url: String,
}

/// The record of an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedToken {
    pub jti: Uuid,
    pub run_id: Uuid,
    pub organization: String,
    pub audience: String,
    pub subject: String,
    pub minted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// `GET /api/keys/{id}/id-tokens`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedTokenPage {
    pub id_tokens: Vec<SignedToken>,
    pub next_cursor: Option<String>,
}

page!(SignedTokenPage, id_tokens: SignedToken);

/// `POST /api/keys/reseal`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resealed {
    /// How many keys were sealed with another sealing key before.
    pub keys: u64,
    /// The id of the sealing key, which is no secret.
    pub sealing_key: String,
}

/// `GET /api/keys/documents`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyDocuments {
    pub issuers: Vec<IssuerDocuments>,
}

/// What verifiers fetch of one issuer, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuerDocuments {
    pub issuer: String,
    /// Whether organizations without an issuer of their own share it.
    pub shared: bool,
    /// The discovery document.
    pub configuration: String,
    /// The key set.
    pub jwks: String,
}
