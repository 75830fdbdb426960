//! A key on its way into the record.

use crate::signing::key_store::NewKey;
use crate::signing::keyring::RingId;
use crate::store::StoreError;
use crate::store::row::corrupt;

/// A key on its way into the record.
#[derive(Clone)]
pub struct KeyToPublish {
    pub ring: RingId,
    pub kept_in: &'static str,
    pub public_jwk: String,
    pub kid: String,
    pub private_key: String,
    pub attestation: String,
}

impl KeyToPublish {
    pub fn new(
        ring: RingId,
        kept_in: &'static str,
        key: &NewKey,
        attestation: String,
    ) -> Result<Self, StoreError> {
        let public_jwk =
            serde_json::to_string(&key.public_jwk).map_err(|error| corrupt("public_jwk", &error))?;
        let kid = key.public_jwk.common.key_id.clone().unwrap_or_default();
        Ok(Self { ring, kept_in, public_jwk, kid, private_key: key.private_key.clone(), attestation })
    }
}
