//! Why a rotation must wait.

use std::fmt;

use jiff::Timestamp;

/// Why the next key may not start to sign yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The next key does not exist.
    NoNext,
    /// Caches may lack it until then.
    Warming(Timestamp),
    /// The previous key stays published until then; a rotation now would publish a fourth key.
    PreviousPublished(Timestamp),
    /// A rotation is already scheduled for then.
    Scheduled(Timestamp),
    /// These replicas have not served it for long enough.
    Replicas(Vec<String>),
    /// These uploaded key sets are not known to contain it.
    SnapshotVerifiers(Vec<String>),
    /// These static copies have not contained it for long enough.
    Publications(Vec<String>),
}

impl Hold {
    /// When it ends, if that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Warming(at) | Self::PreviousPublished(at) | Self::Scheduled(at) => Some(*at),
            Self::NoNext | Self::Replicas(_) | Self::SnapshotVerifiers(_) | Self::Publications(_) => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNext => f.write_str("the next key does not exist yet; the server is creating it"),
            Self::Warming(at) => write!(f, "verifiers may not have the next key in their caches until {at}"),
            Self::PreviousPublished(at) => {
                write!(f, "the previous key stays published until {at}, for the last tokens that it signed")
            }
            Self::Scheduled(at) => write!(f, "a rotation is already scheduled and takes effect at {at}"),
            Self::Replicas(ids) => write!(
                f,
                "these replicas have not yet served the next key for the max-age of the key set: {}",
                ids.join(", ")
            ),
            Self::SnapshotVerifiers(names) => write!(
                f,
                "these verifiers hold an uploaded key set that has not been acknowledged to contain the next key: {}; upload the new key set there (`runmint keys export --public`), then run `runmint keys acknowledge --jwks`",
                names.join(", ")
            ),
            Self::Publications(targets) => write!(
                f,
                "these static copies have not yet held the next key for the max-age of the key set: {}",
                targets.join(", ")
            ),
        }
    }
}
