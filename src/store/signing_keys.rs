//! Signing keys: the public half in the clear, the private half sealed.

use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use sqlx::any::AnyRow;

use super::row::{Columns, corrupt};
use super::{Store, StoreError};
use crate::signing::keyring::KeyState;
use crate::signing::sealing::Sealed;

pub struct SigningKeyRecord {
    pub kid: String,
    pub algorithm: String,
    pub state: KeyState,
    pub public_jwk: Jwk,
    /// `None` once the private half is destroyed.
    pub sealed: Option<Sealed>,
}

impl Store {
    /// Every key that was ever made, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT kid, algorithm, state, public_jwk, sealed_private, sealing_key_id
             FROM signing_keys ORDER BY created_at, kid",
        )
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Records the first key of its algorithm as active. Processes that start together may all try:
    /// one succeeds, `false` tells the others that a key is there already.
    pub async fn create_first_signing_key(
        &self,
        key: &SigningKeyRecord,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let jwk = serde_json::to_string(&key.public_jwk).map_err(|error| corrupt("public_jwk", &error))?;
        let done = sqlx::query(
            "INSERT INTO signing_keys (kid, algorithm, state, public_jwk, sealed_private, sealing_key_id,
                created_at, published_at, activated_at)
             VALUES ($1, $2, 'active', $3, $4, $5, $6, $6, $6) ON CONFLICT DO NOTHING",
        )
        .bind(&key.kid)
        .bind(&key.algorithm)
        .bind(jwk)
        .bind(key.sealed.as_ref().map(|sealed| sealed.text.clone()))
        .bind(key.sealed.as_ref().map(|sealed| sealed.sealing_key_id.clone()))
        .bind(now.as_millisecond())
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn read(row: &AnyRow) -> Result<SigningKeyRecord, StoreError> {
    let kid = row.text("kid")?;
    let (state, public_jwk) = (row.text("state")?, row.text("public_jwk")?);
    let sealed = match (row.optional_text("sealed_private")?, row.optional_text("sealing_key_id")?) {
        (Some(text), Some(sealing_key_id)) => Some(Sealed { text, sealing_key_id }),
        _ => None,
    };
    Ok(SigningKeyRecord {
        algorithm: row.text("algorithm")?,
        state: KeyState::parse(&state).ok_or_else(|| corrupt(&format!("state of {kid}"), &state))?,
        public_jwk: serde_json::from_str(&public_jwk)
            .map_err(|error| corrupt(&format!("public_jwk of {kid}"), &error))?,
        sealed,
        kid,
    })
}
