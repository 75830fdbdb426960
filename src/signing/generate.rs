//! New RSA keys, by the `rsa` crate. It makes keys and does no private operation: its signing is not
//! constant-time (RUSTSEC-2023-0071), so keys are used by aws-lc-rs alone.

use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{CryptoRng, Error, RngCore};
use thiserror::Error as ThisError;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

pub const RSA_BITS: usize = 2048;

/// A private key as PKCS #8 DER (RFC 5208), wiped when dropped.
pub struct PrivateKeyDer(Zeroizing<Vec<u8>>);

#[derive(Debug, ThisError)]
pub enum GenerateError {
    #[error("the key could not be generated")]
    Rsa(#[from] rsa::Error),
    #[error("the key could not be encoded")]
    Encode(#[from] rsa::pkcs8::Error),
}

impl PrivateKeyDer {
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Finds a fresh RSA key. Takes from a tenth of a second to some seconds of one core: never call it on
/// a thread that serves requests.
pub fn rsa_key(entropy: &dyn Entropy) -> Result<PrivateKeyDer, GenerateError> {
    let key = RsaPrivateKey::new(&mut Rng(entropy), RSA_BITS)?;
    let document = key.to_pkcs8_der()?;
    Ok(PrivateKeyDer(Zeroizing::new(document.as_bytes().to_vec())))
}

struct Rng<'e>(&'e dyn Entropy);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl CryptoRng for Rng<'_> {}
