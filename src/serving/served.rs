//! The keys in service: replaced whole, never changed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::issuer::url::IssuerUrl;
use crate::publication::Publication;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, Keyring, RingId};
use crate::signing::rotation::KeyLife;

/// The keys as the database had them when it was last read.
#[derive(Default)]
pub struct Served {
    pub revision: i64,
    pub keyring: Keyring,
    pub publications: HashMap<IssuerId, Arc<Publication>>,
    /// Organizations with an issuer of their own, by name.
    pub own_issuers: HashMap<String, IssuerId>,
    /// The rings that are to have a key that signs and one that waits.
    pub wanted: Vec<RingId>,
    /// Issuers of deleted organizations that still have keys.
    pub ended: Vec<IssuerId>,
    /// Every key that is published or has a private half, for planning.
    pub lives: HashMap<RingId, Vec<(KeyRef, KeyLife)>>,
}

/// A key, as planning needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    pub kid: String,
    pub kept_in: String,
    pub private_key: Option<String>,
}

impl Served {
    pub fn publication_of(&self, issuer: IssuerId) -> Option<&Arc<Publication>> {
        self.publications.get(&issuer)
    }

    pub fn publication_of_organization(&self, name: &str) -> Option<&Arc<Publication>> {
        self.publication_of(*self.own_issuers.get(name)?)
    }

    pub fn issuer_url(&self, issuer: IssuerId) -> Option<&IssuerUrl> {
        self.publication_of(issuer).map(|publication| &publication.issuer)
    }

    /// The ring that signs for `issuer` with `algorithm`. Until its first key begins, verifiers know only
    /// RS256; from then on never another in its place.
    pub fn ring(&self, issuer: IssuerId, algorithm: SigningAlgorithm, now: Timestamp) -> RingId {
        let wanted = RingId { issuer, algorithm };
        if self.keyring.has_begun(wanted, now) {
            wanted
        } else {
            RingId { issuer, algorithm: SigningAlgorithm::Rs256 }
        }
    }
}
