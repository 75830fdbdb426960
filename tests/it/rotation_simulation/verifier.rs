//! The verifiers, and how each kind caches the key set (measured, or read in its source).
//!
//! A failed fetch leaves the cache as it was; expired keys are not used after it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Envoy, Confluent: the key set is valid for its `max-age`, and fetched only when that has passed.
    MaxAge,
    /// go-oidc up to 2.1: trusts its cache; an unknown key makes it fetch, at the earliest in the last half
    /// minute of `max-age`.
    GoOidc2,
    /// go-oidc 3, aws-jwt-verify: until an unknown key makes it fetch.
    GoOidc3,
    /// jose: ten minutes, and for an unknown key again after half a minute.
    Jose,
    /// `PyJWT`: five minutes, and for an unknown key again after half a minute.
    PyJwt,
    /// Microsoft.IdentityModel: twelve hours, for an unknown key again after five minutes, and one more hour
    /// with the last set that worked.
    Microsoft,
    /// Fetches at its own times, and never on demand.
    Poller(SignedDuration),
    /// `MinIO`: adds keys and never removes one.
    Minio,
}

/// A key set as it was fetched.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) set: Arc<KeySet>,
    pub(super) at: Timestamp,
    /// When the process that answered last had contact to the database.
    pub(super) heard_at: Timestamp,
}

pub(super) struct KeySet {
    pub(super) jwks: JwkSet,
    pub(super) etag: String,
}

impl KeySet {
    pub(super) fn has(&self, kid: &str) -> bool {
        self.jwks.find(kid).is_some()
    }
}

pub(super) struct Verifier {
    pub(super) caching: Caching,
    /// The offset of its clock from the true time.
    pub(super) off_by: SignedDuration,
    /// Its leeway after expiry.
    pub(super) leeway: SignedDuration,
    current: Option<Fetched>,
    /// Microsoft's previous set, and until when it is used.
    before: Option<(Fetched, Timestamp)>,
    /// Every key that `MinIO` ever fetched.
    kept: HashMap<String, Fetched>,
    tried_at: Option<Timestamp>,
    first_used_at: Option<Timestamp>,
    /// Whether a fetch has failed since the last success.
    pub(super) last_fetch_failed: bool,
}

/// A verifier's knowledge of a key.
pub(super) enum Lookup {
    Has(Fetched),
    Lacks,
    /// A fetch may bring it.
    Fetch(Then),
    /// It had nothing usable, and no process answered.
    Unanswered,
}

/// The purpose of a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    LookAgain,
    /// There will be no other fetch.
    Decide,
}

const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);
const HALF_A_MINUTE: SignedDuration = SignedDuration::from_secs(30);
const LAST_KNOWN_GOOD: SignedDuration = SignedDuration::from_hours(1);

impl Verifier {
    pub(super) fn new(caching: Caching, off_by: SignedDuration, leeway: SignedDuration) -> Self {
        Self {
            caching,
            off_by,
            leeway,
            current: None,
            before: None,
            kept: HashMap::new(),
            tried_at: None,
            first_used_at: None,
            last_fetch_failed: false,
        }
    }

    /// How long after its last fetch of a key it may trust it, if a bound exists.
    pub(super) fn believes_for(&self) -> Option<SignedDuration> {
        match self.caching {
            Caching::MaxAge => Some(MAX_AGE),
            Caching::Jose => Some(SignedDuration::from_mins(10)),
            Caching::PyJwt => Some(SignedDuration::from_mins(5)),
            Caching::Microsoft => Some(SignedDuration::from_hours(12) + LAST_KNOWN_GOOD),
            Caching::Poller(every) => Some(every),
            Caching::GoOidc2 | Caching::GoOidc3 | Caching::Minio => None,
        }
    }

    pub(super) fn current(&self) -> Option<&Fetched> {
        self.current.as_ref()
    }

    /// What it does for a token of `kid`; `decided` once a fetch on demand was tried.
    pub(super) fn look_up(&self, kid: &str, now: Timestamp, decided: bool) -> Lookup {
        let age = self.current.as_ref().map(|fetched| now.duration_since(fetched.at));
        let older = |than| age.is_none_or(|age| age >= than);
        let has = || self.current.as_ref().filter(|fetched| fetched.set.has(kid)).cloned();
        let (expired, may_fetch) = match self.caching {
            Caching::MaxAge => (older(MAX_AGE), false),
            Caching::GoOidc2 => (age.is_none(), older(MAX_AGE - HALF_A_MINUTE)),
            Caching::GoOidc3 => (age.is_none(), true),
            Caching::Jose => (older(SignedDuration::from_mins(10)), older(HALF_A_MINUTE)),
            Caching::PyJwt => (older(SignedDuration::from_mins(5)), older(HALF_A_MINUTE)),
            Caching::Microsoft => return self.look_up_as_microsoft(kid, now, decided),
            Caching::Poller(_) => (false, false),
            Caching::Minio => {
                return match self.kept.get(kid) {
                    Some(fetched) => Lookup::Has(fetched.clone()),
                    None if decided => self.without(),
                    None => Lookup::Fetch(Then::Decide),
                };
            }
        };
        if expired {
            return if decided { Lookup::Unanswered } else { Lookup::Fetch(Then::LookAgain) };
        }
        match has() {
            Some(fetched) => Lookup::Has(fetched),
            None if may_fetch && !decided => Lookup::Fetch(Then::Decide),
            None => self.without(),
        }
    }

    fn look_up_as_microsoft(&self, kid: &str, now: Timestamp, decided: bool) -> Lookup {
        let since_tried = self.tried_at.map(|at| now.duration_since(at));
        let may_try = since_tried.is_none_or(|since| since >= SignedDuration::from_mins(5));
        let due = self
            .current
            .as_ref()
            .is_none_or(|fetched| now.duration_since(fetched.at) >= SignedDuration::from_hours(12));
        if due && may_try && !decided {
            return Lookup::Fetch(Then::LookAgain);
        }
        let before = self.before.as_ref().filter(|(_, until)| now < *until).map(|(fetched, _)| fetched);
        match self.current.iter().chain(before).find(|fetched| fetched.set.has(kid)) {
            Some(fetched) => Lookup::Has(fetched.clone()),
            None if may_try && !decided => Lookup::Fetch(Then::Decide),
            None => self.without(),
        }
    }

    fn without(&self) -> Lookup {
        if self.last_fetch_failed { Lookup::Unanswered } else { Lookup::Lacks }
    }

    pub(super) fn take(&mut self, fetched: Option<Fetched>, now: Timestamp) {
        self.tried_at = Some(now);
        self.last_fetch_failed = fetched.is_none();
        let Some(fetched) = fetched else { return };
        if self.caching == Caching::Minio {
            for kid in fetched.set.jwks.keys.iter().filter_map(|key| key.common.key_id.clone()) {
                self.kept.entry(kid).or_insert_with(|| fetched.clone());
            }
        }
        if let Some(before) = self.current.replace(fetched)
            && self.caching == Caching::Microsoft
        {
            let until = self.first_used_at.take().map(|at| at + LAST_KNOWN_GOOD);
            self.before = until.map(|until| (before, until));
        }
    }

    pub(super) fn uses(&mut self, now: Timestamp) {
        self.first_used_at.get_or_insert(now);
    }
}
