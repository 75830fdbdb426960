//! The keys of every issuer, as one process knows them: a snapshot that is replaced as a whole.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use uuid::Uuid;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::rotation::{KeyLife, RotationPolicy};
use crate::signing::signing_key::SigningKey;

/// The issuer that keys belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuerId {
    /// The issuer of every organization without an issuer of its own.
    Shared,
    /// The issuer of one organization.
    Organization(Uuid),
}

impl IssuerId {
    /// Reads the form that `Display` writes: `shared`, or an organization's UUID.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "shared" { Some(Self::Shared) } else { Uuid::parse_str(text).ok().map(Self::Organization) }
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::Organization(id) => write!(f, "{id}"),
        }
    }
}

/// One issuer and algorithm. Keys rotate within a ring, independently of other rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingId {
    pub issuer: IssuerId,
    pub algorithm: SigningAlgorithm,
}

/// A published key.
#[derive(Clone)]
pub struct RingKey {
    pub kid: String,
    pub life: KeyLife,
    pub jwk: Jwk,
    /// `None` once the key no longer signs.
    pub signing_key: Option<Arc<SigningKey>>,
}

/// The published keys of every ring.
#[derive(Default)]
pub struct Keyring {
    rings: HashMap<RingId, Vec<RingKey>>,
}

impl Keyring {
    /// The rings, each with its keys oldest first.
    pub fn new(rings: HashMap<RingId, Vec<RingKey>>) -> Self {
        Self { rings }
    }

    /// The key that signs at `now`.
    pub fn signer(&self, ring: RingId, policy: &RotationPolicy, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let key = self.keys(ring).iter().find(|key| policy.signs_at(&key.life, now))?;
        key.signing_key.as_ref()
    }

    /// Whether a key of this ring signs or has signed: verifiers expect this algorithm from then on.
    pub fn has_begun(&self, ring: RingId, now: Timestamp) -> bool {
        self.keys(ring).iter().any(|key| key.life.signs_from.is_some_and(|from| from <= now))
    }

    /// The published keys of a ring, oldest first.
    pub fn keys(&self, ring: RingId) -> &[RingKey] {
        self.rings.get(&ring).map_or(&[], Vec::as_slice)
    }

    /// Every published key.
    pub fn all(&self) -> impl Iterator<Item = (RingId, &RingKey)> {
        self.rings.iter().flat_map(|(ring, keys)| keys.iter().map(|key| (*ring, key)))
    }

    /// The published key with this `kid`.
    pub fn find(&self, kid: &str) -> Option<(RingId, &RingKey)> {
        self.all().find(|(_, key)| key.kid == kid)
    }

    /// The key set of `issuer` (RFC 7517 §5).
    pub fn jwks(&self, issuer: IssuerId) -> JwkSet {
        let of_algorithm = |algorithm| self.keys(RingId { issuer, algorithm }).iter();
        JwkSet {
            keys: SigningAlgorithm::ALL
                .into_iter()
                .flat_map(of_algorithm)
                .map(|key| key.jwk.clone())
                .collect(),
        }
    }

    /// The algorithms with a key that signs, now or from a decided moment on. If no key does, after a
    /// revocation or at the end of an issuer, the algorithms of the published keys: the list must not be
    /// empty (OpenID Connect Discovery 1.0 §3).
    pub fn algorithms(&self, issuer: IssuerId) -> Vec<SigningAlgorithm> {
        let keys = |algorithm| self.keys(RingId { issuer, algorithm });
        let signs =
            |algorithm: &SigningAlgorithm| keys(*algorithm).iter().any(|key| key.life.is_designated());
        let published = |algorithm: &SigningAlgorithm| !keys(*algorithm).is_empty();
        let sign: Vec<_> = SigningAlgorithm::ALL.into_iter().filter(signs).collect();
        if sign.is_empty() { SigningAlgorithm::ALL.into_iter().filter(published).collect() } else { sign }
    }
}
