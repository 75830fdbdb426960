//! The keys in service, and by what right this process uses them: replaced whole, never changed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::issuer::url::IssuerUrl;
use crate::publication::Publication;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, Keyring, RingId};
use crate::signing::rotation::{KeyLife, RotationPolicy};

/// What the database said when it was read last.
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

/// What this process may do, by its own clock.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// When the database last answered.
    pub seen_at: Option<Timestamp>,
    /// When what is served was last known to be what the database says.
    pub confirmed_at: Option<Timestamp>,
    /// How far this process's clock is from the database's, if that is too far.
    pub clock_off_by: Option<SignedDuration>,
    /// Why the keys could not be read anew.
    pub trouble: Option<String>,
}

/// Why a process may not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    #[error("the database has not been heard of for longer than the lease")]
    LeaseRanOut,
    #[error("this machine's clock is off by {0:#}: synchronise it")]
    ClockOff(SignedDuration),
}

impl Standing {
    pub fn bar(&self, policy: &RotationPolicy, now: Timestamp) -> Option<Barred> {
        if let Some(off) = self.clock_off_by {
            return Some(Barred::ClockOff(off));
        }
        let timing = policy.timing;
        // A clock that was set back would make a lease last for ever.
        let holds =
            self.seen_at.is_some_and(|seen| seen - timing.clock_bound <= now && now < seen + timing.lease);
        (!holds).then_some(Barred::LeaseRanOut)
    }

    /// How old what is served may be.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.confirmed_at.map(|at| now.duration_since(at))
    }

    pub fn may_serve(&self, policy: &RotationPolicy, now: Timestamp) -> bool {
        // A clock that was set back would keep it in service for as long again.
        let least = -(policy.timing.clock_bound * 2);
        self.age(now).is_some_and(|age| least <= age && age <= policy.serve_stale)
    }
}
