//! The static copies that this process writes, and what it knows of them.

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
    /// What is wrong with them, by target, as this process found it.
    troubles: ArcSwap<BTreeMap<String, CopyTrouble>>,
}

/// Why an operator must look at a static copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTrouble {
    pub what: String,
    /// How many looks this process leaves to the others before it tries again.
    pub pause: u32,
    /// Until when to go on saying what is over already.
    pub until: Option<Timestamp>,
}

impl Copies {
    /// Every change of the keys is written to `targets`.
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

    /// Whether this key may sign as far as static copies go.
    pub fn all_have(&self, kid: &str) -> bool {
        self.targets.is_empty() || self.in_all.load().contains(kid)
    }

    /// Remembers which keys are in every copy: no other may sign.
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

    /// The copy is in order, whichever process wrote it.
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
