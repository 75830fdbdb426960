//! Signing, wherever the private key is.

use thiserror::Error;

use crate::signing::algorithm::SigningAlgorithm;

/// The private half of a key, able to sign.
pub trait Signer: Send + Sync {
    /// The signature of `input` as a JWS carries it (RFC 7518 §3.3 and §3.4): for RS256 as long as the
    /// modulus, for ES256 64 bytes R ‖ S.
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningError>;

    /// What a signature costs: computing time, or waiting.
    fn pace(&self) -> Pace;
}

/// What a signature costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Time on this machine's cores.
    Computes,
    /// Mostly waiting for something outside this process.
    Waits,
}

/// A signature could not be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SigningError {
    #[error("the private key cannot sign {0}")]
    Unusable(SigningAlgorithm),
    #[error("signing failed: {0}")]
    Failed(String),
    #[error("the signers are busy")]
    Busy,
}
