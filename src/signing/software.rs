//! Private keys in this process's memory. aws-lc-rs performs every private operation.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use jsonwebtoken::jwk::Jwk;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::PrivateKeyDer;
use crate::signing::jwk;
use crate::signing::signer::{Pace, Signer, SigningError};
use crate::signing::signing_key::SigningKey;

/// No `Debug`: it holds a secret.
pub enum SoftwareSigner {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl SoftwareSigner {
    /// Opens a PKCS #8 key. Refuses a key that cannot sign `algorithm`.
    pub fn from_der(der: &PrivateKeyDer, algorithm: SigningAlgorithm) -> Result<Self, SigningError> {
        let unusable = |_| SigningError::Unusable(algorithm);
        match algorithm {
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(der.as_bytes()).map(Self::Rsa).map_err(unusable)
            }
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_bytes())
                    .map(Self::P256)
                    .map_err(unusable)
            }
        }
    }

    /// The public half, as `signing::jwk` makes it.
    pub fn public_jwk(&self) -> Jwk {
        match self {
            Self::Rsa(pair) => jwk::rs256(
                pair.public_key().modulus().big_endian_without_leading_zero(),
                pair.public_key().exponent().big_endian_without_leading_zero(),
            ),
            Self::P256(pair) => {
                // SEC 1 §2.3.3, uncompressed: 0x04 ‖ X ‖ Y.
                let point = pair.public_key().as_ref();
                let coordinate =
                    |from: usize| point[from..from + 32].try_into().expect("a P-256 point has 65 bytes");
                jwk::es256(&coordinate(1), &coordinate(33))
            }
        }
    }
}

impl Signer for SoftwareSigner {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningError> {
        let failed = |error: aws_lc_rs::error::Unspecified| SigningError::Failed(error.to_string());
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), input).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Computes
    }
}

impl SigningKey {
    /// Opens a PKCS #8 key. Refuses a key that cannot sign `algorithm`.
    pub fn from_der(der: &PrivateKeyDer, algorithm: SigningAlgorithm) -> Result<Self, SigningError> {
        let signer = SoftwareSigner::from_der(der, algorithm)?;
        let jwk = signer.public_jwk();
        Self::new(Box::new(signer), algorithm, jwk)
    }
}
