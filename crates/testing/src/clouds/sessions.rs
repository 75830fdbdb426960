use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use runmint::entropy::{Entropy, SystemEntropy};

use super::assertion::Assertion;

/// The credentials that a cloud gave, who has them, and until when they are good.
pub struct Sessions {
    given: Mutex<HashMap<String, Session>>,
    /// What a test says they live for, instead of what was asked.
    lifetime: Mutex<Option<SignedDuration>>,
    /// What was presented for them: the signatures, and the keys that made them.
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

    /// From now on each lives this long.
    pub fn live_for(&self, lifetime: SignedDuration) {
        *self.lifetime.lock().unwrap() = Some(lifetime);
    }

    /// A secret that nobody had before, and the session behind it.
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

    /// How many were given.
    pub fn count(&self) -> usize {
        self.given.lock().unwrap().len()
    }

    /// Remembers a token that was accepted.
    pub(super) fn accepted(&self, assertion: &Assertion) {
        self.presented.lock().unwrap().insert(assertion.signature.clone());
        self.key_ids.lock().unwrap().extend(assertion.key_id().map(str::to_owned));
    }

    /// How many different tokens were accepted.
    pub fn tokens(&self) -> usize {
        self.presented.lock().unwrap().len()
    }

    /// By how many different keys they were signed.
    pub fn key_ids(&self) -> usize {
        self.key_ids.lock().unwrap().len()
    }
}
