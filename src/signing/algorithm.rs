//! The algorithms that ID tokens are signed with.

use std::fmt;

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::KeyAlgorithm;

/// Every relying party accepts RS256. EdDSA is left out on purpose: one such key in a key set breaks
/// verifiers that refuse unknown key types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningAlgorithm {
    #[default]
    Rs256,
    Es256,
}

impl SigningAlgorithm {
    /// Every algorithm, in the order of the key set.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The JOSE name (RFC 7518 §3.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of this JOSE name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    pub(super) fn of_a_header(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
        }
    }

    pub(super) fn of_a_jwk(self) -> KeyAlgorithm {
        match self {
            Self::Rs256 => KeyAlgorithm::RS256,
            Self::Es256 => KeyAlgorithm::ES256,
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
