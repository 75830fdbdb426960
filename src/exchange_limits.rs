//! Bounds on what exchanges cost this process, whatever strangers send it.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use quick_cache::sync::Cache;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::trust::policy::audience::PoliciesInForce;

/// Refused exchanges of one issuer that a process records in a minute.
const RECORDED_REFUSALS: u32 = 60;

/// Issuers whose policies are kept in memory, at most some hundred kilobytes each.
const POLICIES_CACHED: usize = 200;

pub struct ExchangeLimits {
    /// Each issuer has its own budget, so that refusals of one cannot hide what goes on at another.
    refusals: Cache<Uuid, Arc<Budget>>,
    policies: Cache<(Uuid, i64), Arc<PoliciesInForce>>,
    deciding: Arc<Semaphore>,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        Self {
            refusals: Cache::new(POLICIES_CACHED),
            policies: Cache::new(POLICIES_CACHED),
            deciding: Arc::new(Semaphore::new(1)),
        }
    }
}

impl ExchangeLimits {
    /// Whether a refused exchange of this issuer is recorded at `now`: any stranger can cause more of them.
    pub fn spend_refusal(&self, issuer: Uuid, now: Timestamp) -> Spending {
        let budget = self.refusals.get(&issuer).unwrap_or_else(|| {
            let budget = Arc::new(Budget::new(RECORDED_REFUSALS));
            self.refusals.insert(issuer, Arc::clone(&budget));
            budget
        });
        budget.spend(now)
    }

    /// The policies of an issuer, compiled once for each version of them.
    pub fn compiled<E>(
        &self,
        issuer: Uuid,
        version: i64,
        compile: impl FnOnce() -> Result<PoliciesInForce, E>,
    ) -> Result<Arc<PoliciesInForce>, E> {
        if let Some(policies) = self.policies.get(&(issuer, version)) {
            return Ok(policies);
        }
        let policies = Arc::new(compile()?);
        self.policies.insert((issuer, version), Arc::clone(&policies));
        Ok(policies)
    }

    /// The turn of a caller that decides about much at once, apart from the other requests: one at a time.
    pub async fn turn_to_decide(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.deciding).acquire_owned().await
    }
}

/// A number of uses per minute.
struct Budget {
    in_a_minute: u32,
    spent: std::sync::Mutex<(i64, u32)>,
}

impl Budget {
    fn new(in_a_minute: u32) -> Self {
        Self { in_a_minute, spent: std::sync::Mutex::default() }
    }

    /// Spends one use at `now`.
    fn spend(&self, now: Timestamp) -> Spending {
        let minute = now.as_second() / 60;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != minute {
            *spent = (minute, 0);
        }
        spent.1 = spent.1.saturating_add(1);
        match spent.1 {
            count if count <= self.in_a_minute => Spending::Allowed,
            count if count == self.in_a_minute + 1 => Spending::FirstTooMany,
            _ => Spending::TooMany,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    Allowed,
    /// The first one over budget, which is logged; later ones are not.
    FirstTooMany,
    TooMany,
}
