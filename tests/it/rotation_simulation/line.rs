//! The connection of one process to the database, and its faults: any access to the key records can be lost,
//! be the process's last, or precede a long sleep.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use runmint::store::time::Weather;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::totals::Totals;

/// The other processes' actions in the meantime.
pub(super) type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) enum Mishap {
    /// The process ends, before or after its request was carried out.
    Crash,
    /// This one access fails, or its answer is lost.
    Lose,
    /// The process pauses while the world continues.
    Sleep(Meanwhile),
}

pub(super) struct Line {
    outage: Arc<AtomicBool>,
    is_cut: AtomicBool,
    has_crashed: AtomicBool,
    /// The mishap after this many more accesses.
    planned: Mutex<Option<(u32, Mishap)>>,
    /// The accesses since they were last counted.
    accesses: AtomicU64,
    lost: AtomicU64,
    sleeps: AtomicU64,
}

impl Line {
    /// `outage` is shared by all lines to the same database.
    pub(super) fn new(outage: Arc<AtomicBool>) -> Self {
        Self {
            outage,
            is_cut: AtomicBool::new(false),
            has_crashed: AtomicBool::new(false),
            planned: Mutex::new(None),
            accesses: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            sleeps: AtomicU64::new(0),
        }
    }

    /// The number of sleeps since the last count.
    pub(super) fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::SeqCst)
    }

    pub(super) fn count(&self, totals: &mut Totals) {
        totals.accesses += self.accesses.swap(0, Ordering::SeqCst);
        totals.lost += self.lost.swap(0, Ordering::SeqCst);
        totals.sleeps += self.sleeps.swap(0, Ordering::SeqCst);
    }

    pub(super) fn plan(&self, after: u32, mishap: Mishap) {
        *self.planned.lock().unwrap() = Some((after, mishap));
    }

    /// The planned actions of the others are out of date once those have continued.
    pub(super) fn forget_sleep(&self) -> bool {
        let mut planned = self.planned.lock().unwrap();
        let sleeps = matches!(*planned, Some((_, Mishap::Sleep(_))));
        if sleeps {
            *planned = None;
        }
        sleeps
    }

    /// Whether it has no fault, present or planned.
    pub(super) fn is_calm(&self) -> bool {
        self.is_up() && self.planned.lock().unwrap().is_none()
    }

    /// Ends its faults, except for a process that is gone already.
    pub(super) fn heal(&self) {
        self.cut(false);
        *self.planned.lock().unwrap() = None;
    }

    pub(super) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.has_crashed.load(Ordering::SeqCst)
    }

    pub(super) fn is_up(&self) -> bool {
        ![&self.has_crashed, &self.is_cut, &*self.outage].iter().any(|flag| flag.load(Ordering::SeqCst))
    }

    fn due(&self) -> Option<Mishap> {
        let mut planned = self.planned.lock().unwrap();
        match planned.take() {
            Some((0, mishap)) => Some(mishap),
            Some((after, mishap)) => {
                *planned = Some((after - 1, mishap));
                None
            }
            None => None,
        }
    }
}

impl Weather for Line {
    fn passes(&self) -> bool {
        self.accesses.fetch_add(1, Ordering::SeqCst);
        match self.due() {
            Some(Mishap::Crash) => self.has_crashed.store(true, Ordering::SeqCst),
            Some(Mishap::Lose) => {
                self.lost.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            Some(Mishap::Sleep(meanwhile)) => {
                self.sleeps.fetch_add(1, Ordering::SeqCst);
                block_in_place(|| Handle::current().block_on(meanwhile));
            }
            None => {}
        }
        self.is_up()
    }
}
