//! New private keys. The `rsa` crate generates RSA keys but performs no private operation: its signing is not
//! constant-time (RUSTSEC-2023-0071), so only aws-lc-rs uses the keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{CryptoRng, Error, RngCore};
use thiserror::Error as ThisError;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::signing::algorithm::SigningAlgorithm;

/// The length of an RSA modulus. Longer ones sign several times slower, and AWS STS accepts at most 4096
/// bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaBits {
    #[default]
    Bits2048,
    Bits3072,
    Bits4096,
}

impl RsaBits {
    /// Every length, shortest first.
    pub const ALL: [Self; 3] = [Self::Bits2048, Self::Bits3072, Self::Bits4096];

    /// The length of the modulus in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

/// A private key as PKCS #8 DER (RFC 5208), wiped when dropped.
pub struct PrivateKeyDer(Zeroizing<Vec<u8>>);

/// A key could not be generated.
#[derive(Debug, ThisError)]
pub enum GenerateError {
    #[error("could not generate the key")]
    Rsa(#[from] rsa::Error),
    #[error("could not encode the key")]
    Encode(#[from] rsa::pkcs8::Error),
    #[error("could not generate the key")]
    Ec,
}

impl PrivateKeyDer {
    /// Wraps PKCS #8 DER. Does not check it.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The PKCS #8 DER, in the clear.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A new key. An RSA key takes between a tenth of a second and many seconds of one core: never call this on a
/// thread that serves requests.
pub fn private_key(
    algorithm: SigningAlgorithm,
    rsa_bits: RsaBits,
    entropy: &dyn Entropy,
) -> Result<PrivateKeyDer, GenerateError> {
    match algorithm {
        SigningAlgorithm::Rs256 => {
            let key = RsaPrivateKey::new(&mut Rng(entropy), rsa_bits.bits() as usize)?;
            let document = key.to_pkcs8_der()?;
            Ok(PrivateKeyDer(Zeroizing::new(document.as_bytes().to_vec())))
        }
        SigningAlgorithm::Es256 => {
            // The library takes randomness only from the operating system.
            let document =
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                    .map_err(|_| GenerateError::Ec)?;
            Ok(PrivateKeyDer(Zeroizing::new(document.as_ref().to_vec())))
        }
    }
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
