//! The static copies that this process writes, and their state as far as it knows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::Target;

pub struct Copies {
    targets: Vec<Target>,
    /// Held while they are written: a claim is this process's, not a task's.
    writing: Mutex<()>,
    /// The keys that are in all of them.
    in_all: ArcSwap<HashSet<String>>,
    /// The troubles that this process found, by target.
    troubles: ArcSwap<BTreeMap<String, CopyTrouble>>,
}

/// Why a static copy needs an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTrouble {
    pub what: String,
    /// How many rounds this process leaves to other replicas before it tries again.
    pub pause: u32,
    /// How long to keep reporting a trouble that is over.
    pub until: Option<Timestamp>,
}

impl Copies {
    /// Every change of the keys is to be written to `targets`.
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets, writing: Mutex::default(), in_all: ArcSwap::default(), troubles: ArcSwap::default() }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    pub fn names(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(ToString::to_string)
    }

    /// To be held while copies are written or their troubles change.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Whether every static copy contains this key, so that it may sign.
    pub fn all_have(&self, kid: &str) -> bool {
        self.targets.is_empty() || self.in_all.load().contains(kid)
    }

    /// Remembers which keys every copy contains: no other key may sign.
    pub fn know(&self, in_all: HashSet<String>) {
        self.in_all.store(Arc::new(in_all));
    }

    pub fn troubles(&self) -> Arc<BTreeMap<String, CopyTrouble>> {
        self.troubles.load_full()
    }

    /// Only a caller that holds `lock` changes the troubles.
    pub fn note_trouble(&self, name: &str, trouble: CopyTrouble) {
        let mut troubles = BTreeMap::clone(&self.troubles.load());
        troubles.insert(name.to_owned(), trouble);
        self.troubles.store(Arc::new(troubles));
    }

    /// Drops the trouble of a copy that is in order, whichever process wrote it.
    pub fn forget_trouble(&self, name: &str, now: Timestamp) {
        let before = self.troubles();
        let is_over = |trouble: &CopyTrouble| trouble.until.is_none_or(|until| until <= now);
        if before.get(name).is_some_and(is_over) {
            let mut troubles = BTreeMap::clone(&before);
            troubles.remove(name);
            self.troubles.store(Arc::new(troubles));
        }
    }
}
