//! Why a promotion has to wait.

use std::fmt;

use jiff::Timestamp;

/// Why a key may not begin to sign yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    NoNext,
    /// Caches may not have it before then.
    Warming(Timestamp),
    /// The key before the active one is published until then.
    PreviousPublished(Timestamp),
    /// One is decided already.
    Scheduled(Timestamp),
    /// These processes have not served it for long enough.
    Replicas(Vec<String>),
    /// These uploaded key sets are not known to have it.
    SnapshotVerifiers(Vec<String>),
    /// It is not in these static copies for long enough.
    Publications(Vec<String>),
}

impl Hold {
    /// From when it no longer holds, where that is known.
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
            Self::NoNext => f.write_str("there is no next key yet; one is being made"),
            Self::Warming(at) => write!(f, "verifiers may not have the next key in their caches before {at}"),
            Self::PreviousPublished(at) => {
                write!(
                    f,
                    "the key before the active one is published until {at}, for the last tokens that it signed"
                )
            }
            Self::Scheduled(at) => write!(f, "a change is decided already and takes effect at {at}"),
            Self::Replicas(ids) => write!(
                f,
                "these processes have not served the next key for the key set's max-age yet: {}",
                ids.join(", ")
            ),
            Self::SnapshotVerifiers(names) => write!(
                f,
                "these verifiers hold an uploaded key set and have not been acknowledged to have the next key: {}; upload the new key set there (`runmint keys export --public`), then `runmint keys acknowledge --jwks`",
                names.join(", ")
            ),
            Self::Publications(targets) => write!(
                f,
                "the next key is not in these static copies for the key set's max-age yet: {}",
                targets.join(", ")
            ),
        }
    }
}
