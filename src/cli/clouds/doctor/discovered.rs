//! Documents of an issuer, read as far as they can be: the doctor names what is missing and reads on.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A discovery document that was found, and where.
pub(super) struct Discovered {
    pub(super) issuer: String,
    /// The server's base URL, below which its API lies.
    pub(super) base: String,
    pub(super) document: Document,
}

/// The members that every cloud needs (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default, deserialize_with = "readable")]
    pub(super) issuer: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    pub(super) jwks_uri: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    response_types_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "readable")]
    subject_types_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "readable")]
    pub(super) id_token_signing_alg_values_supported: Option<Vec<String>>,
}

/// A key set (RFC 7517 §5).
#[derive(Deserialize)]
pub(super) struct PublishedKeys {
    #[serde(default, deserialize_with = "readable")]
    pub(super) keys: Option<Vec<PublishedKey>>,
}

/// A public key (RFC 7517 §4).
#[derive(Deserialize)]
pub(super) struct PublishedKey {
    #[serde(default, deserialize_with = "readable")]
    pub(super) kid: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    pub(super) kty: Option<String>,
    #[serde(default, deserialize_with = "readable", rename = "use")]
    pub(super) usage: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    pub(super) alg: Option<String>,
    /// The modulus of an RSA key, in base64url without padding.
    #[serde(default, deserialize_with = "readable")]
    pub(super) n: Option<String>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

impl Document {
    /// The required members that are missing or not of the right type.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let members = [
            ("issuer", self.issuer.is_some()),
            ("jwks_uri", self.jwks_uri.is_some()),
            ("response_types_supported", self.response_types_supported.is_some()),
            ("subject_types_supported", self.subject_types_supported.is_some()),
            ("id_token_signing_alg_values_supported", self.id_token_signing_alg_values_supported.is_some()),
        ];
        members.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect()
    }
}

/// `None` for a value of another type.
fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(deserializer)?).ok())
}
