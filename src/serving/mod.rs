//! The keys that one process knows, and its right to use them.

mod notices;
mod served;
mod standing;

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

pub use self::notices::{Notices, RingNotice};
pub use self::served::{KeyRef, Served};
pub use self::standing::{Barred, Standing};
use crate::domain::replica::Replica;

/// Without keys at first: `flows::load_keys` puts some in service.
pub struct Serving {
    replica: Replica,
    served: ArcSwap<Served>,
    standing: ArcSwap<Standing>,
    /// Held while the keys are read again, so that one process asks once however many requests wait.
    refreshing: Mutex<()>,
    /// Counts the looks at the database, also those that failed.
    looks: AtomicU64,
    /// The keys that the other processes know to be served here.
    acknowledged: Mutex<HashSet<String>>,
    /// The key of which the database last recorded no token, for as long as it records none.
    refused_key: ArcSwapOption<String>,
    /// Keys that this process saw leave for good.
    taken_out: std::sync::Mutex<HashSet<String>>,
    /// When the scheduler last did all that was due, in milliseconds; 0 where none runs.
    looked_after_at: AtomicI64,
    notices: Notices,
}

impl Serving {
    pub fn new(replica: Replica) -> Self {
        Self {
            replica,
            served: ArcSwap::default(),
            standing: ArcSwap::default(),
            refreshing: Mutex::default(),
            looks: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            refused_key: ArcSwapOption::default(),
            taken_out: std::sync::Mutex::default(),
            looked_after_at: AtomicI64::new(0),
            notices: Notices::default(),
        }
    }

    /// This process, as other processes see it.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// The keys in service, to be kept across an `await`.
    pub fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// The keys in service, to be looked at and let go: cheaper than `served`.
    pub fn peek(&self) -> Guard<Arc<Served>> {
        self.served.load()
    }

    /// Puts these keys in service in the place of those before.
    pub fn serve(&self, served: impl Into<Arc<Served>>) {
        self.served.store(served.into());
    }

    pub fn standing(&self) -> Guard<Arc<Standing>> {
        self.standing.load()
    }

    pub fn set_standing(&self, standing: impl Into<Arc<Standing>>) {
        self.standing.store(standing.into());
    }

    /// Runs `look`, unless another caller's look ended since this was called: a caller that waited for a look, also
    /// for one that failed, does not look again.
    pub async fn look_once<E>(&self, look: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let before = self.looks.load(Ordering::Acquire);
        let _one_at_a_time = self.refreshing.lock().await;
        if self.looks.load(Ordering::Acquire) != before {
            return Ok(());
        }
        let looked = look.await;
        self.looks.fetch_add(1, Ordering::Release);
        looked
    }

    /// The keys in service that the other processes are still to be told of. Only one caller at a time tells them.
    pub async fn unacknowledged(&self) -> Unacknowledged<'_> {
        let served = self.served();
        let acknowledged = self.acknowledged.lock().await;
        let mut kids: Vec<String> = served
            .keyring
            .all()
            .map(|(_, key)| key.kid.clone())
            .filter(|kid| !acknowledged.contains(kid))
            .collect();
        kids.sort_unstable();
        Unacknowledged { acknowledged, kids }
    }

    /// Makes this process acknowledge all keys again: other processes may have forgotten it.
    pub async fn acknowledge_anew(&self) {
        self.acknowledged.lock().await.clear();
    }

    /// The database recorded a token of the key that signs here.
    pub fn note_recorded(&self) {
        if self.refused_key.load().is_some() {
            self.refused_key.store(None);
        }
    }

    /// The database recorded no token of this key: by its clock the key does not sign.
    pub fn note_refused(&self, kid: &str) {
        self.refused_key.store(Some(Arc::new(kid.to_owned())));
    }

    /// Whether the database last recorded no token of this key. A process that signs with it is not ready.
    pub fn is_refused(&self, kid: &str) -> bool {
        self.refused_key.load().as_deref().is_some_and(|refused| refused == kid)
    }

    pub fn note_taken_out(&self, kid: &str) {
        self.taken_out.lock().unwrap_or_else(PoisonError::into_inner).insert(kid.to_owned());
    }

    /// Whether this process saw the key leave for good.
    pub fn was_taken_out(&self, kid: &str) -> bool {
        self.taken_out.lock().unwrap_or_else(PoisonError::into_inner).contains(kid)
    }

    pub fn note_looked_after(&self, now: Timestamp) {
        self.looked_after_at.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// When the scheduler last did all that was due; `None` where none runs.
    pub fn looked_after_at(&self) -> Option<Timestamp> {
        let at = Timestamp::from_millisecond(self.looked_after_at.load(Ordering::Relaxed)).ok()?;
        (at > Timestamp::UNIX_EPOCH).then_some(at)
    }
}

/// Keys that are served here and not acknowledged yet. While it is held, no other caller acknowledges.
pub struct Unacknowledged<'s> {
    acknowledged: MutexGuard<'s, HashSet<String>>,
    kids: Vec<String>,
}

impl Unacknowledged<'_> {
    /// In order.
    pub fn kids(&self) -> &[String] {
        &self.kids
    }

    /// The other processes were told.
    pub fn acknowledged(mut self) {
        self.acknowledged.extend(self.kids);
    }
}
