//! Signing keys as they are recorded, and the outcomes of changing them.

use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use uuid::Uuid;

use crate::issuer::organization_name::OrganizationName;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::rotation::{Hold, KeyLife};

pub struct SigningKeyRecord {
    pub kid: String,
    pub ring: RingId,
    pub life: KeyLife,
    pub public_jwk: Jwk,
    /// The `KeyStore` of the private half.
    pub kept_in: String,
    /// `None` once the private half is destroyed.
    pub private_key: Option<String>,
    /// `None` for a key that was made before there were attestations.
    pub attestation: Option<String>,
    pub created_at: Timestamp,
    pub signatures: i64,
    pub last_fetched_at: Option<Timestamp>,
    pub revoked_by: Option<Uuid>,
}

impl SigningKeyRecord {
    /// Whether it may have been made before there were attestations.
    pub fn is_of_the_first_version(&self) -> bool {
        self.kept_in == "database" && self.private_key.is_some() && self.ring.issuer == IssuerId::Shared
    }
}

/// An issuer beside the shared one, or an algorithm beside RS256, that an organization wants.
pub struct KeyWish {
    pub organization_id: Uuid,
    pub organization: OrganizationName,
    pub own_issuer: bool,
    pub algorithm: SigningAlgorithm,
    /// Some audience of it has ES256, or once had.
    pub es256_too: bool,
    pub deleted: bool,
}

impl KeyWish {
    pub fn wants_es256(&self) -> bool {
        self.algorithm == SigningAlgorithm::Es256 || self.es256_too
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Published,
    /// With those that are not, for the record.
    All,
}

/// The outcome of promoting a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// `next` signs from then.
    Scheduled {
        next: String,
        at: Timestamp,
    },
    /// It is not time yet.
    NotDue,
    Held(Hold),
}

/// The outcome of revoking a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    Revoked {
        at: Timestamp,
        /// The key that signs instead, and from when; `None` if the revoked key did not sign, or no key is left.
        successor: Option<(String, Timestamp)>,
    },
    /// It was revoked before.
    Already(Timestamp),
    /// It was removed from the key set, and verifies nothing.
    NotPublished,
    NoSuchKey,
}
