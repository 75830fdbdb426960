use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use runmint::entropy::{Entropy, SystemEntropy};

use super::assertion::Assertion;

/// The credentials that a cloud issued, with their holders and expiry.
pub struct Sessions {
    given: Mutex<HashMap<String, Session>>,
    /// The lifetime that a test sets, overriding the requested one.
    lifetime: Mutex<Option<SignedDuration>>,
    /// The signatures of the tokens presented, and the keys that made them.
    presented: Mutex<BTreeSet<Vec<u8>>>,
    key_ids: Mutex<BTreeSet<String>>,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub principal: String,
    pub expires_at: Timestamp,
}

impl Sessions {
    #[expect(clippy::new_without_default, reason = "a test makes it by name")]
    pub fn new() -> Self {
        Self {
            given: Mutex::default(),
            lifetime: Mutex::default(),
            presented: Mutex::default(),
            key_ids: Mutex::default(),
        }
    }

    /// Sets the lifetime of credentials issued from now on.
    pub fn live_for(&self, lifetime: SignedDuration) {
        *self.lifetime.lock().unwrap() = Some(lifetime);
    }

    /// Issues a new secret and opens its session.
    pub fn open(&self, principal: String, now: Timestamp, asked: SignedDuration) -> (String, Session) {
        let lifetime = self.lifetime.lock().unwrap().unwrap_or(asked);
        let session = Session { principal, expires_at: now + lifetime };
        let mut random = [0; 16];
        SystemEntropy::new().fill(&mut random);
        let secret = random.iter().fold("standin".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        self.given.lock().unwrap().insert(secret.clone(), session.clone());
        (secret, session)
    }

    pub fn find(&self, secret: &str) -> Option<Session> {
        self.given.lock().unwrap().get(secret).cloned()
    }

    /// The number of credentials issued.
    pub fn count(&self) -> usize {
        self.given.lock().unwrap().len()
    }

    /// Records an accepted token.
    pub(super) fn accepted(&self, assertion: &Assertion) {
        self.presented.lock().unwrap().insert(assertion.signature.clone());
        self.key_ids.lock().unwrap().extend(assertion.key_id().map(str::to_owned));
    }

    /// The number of different tokens accepted.
    pub fn tokens(&self) -> usize {
        self.presented.lock().unwrap().len()
    }

    /// The number of different keys that signed them.
    pub fn key_ids(&self) -> usize {
        self.key_ids.lock().unwrap().len()
    }
}
