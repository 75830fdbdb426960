//! The keys of trusted issuers, fetched when needed and cached for as long as allowed.
//!
//! Every registration has its own slot: keys are found by issuer, never by `kid` alone, and a caller waits
//! only for the issuer of its token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;
use thiserror::Error;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use super::discovery::{DiscoveredKeys, DiscoveryError, discover};
use super::fetch::Fetcher;
use super::registered_issuer::RegisteredIssuer;
use crate::clock::Clock;
use crate::trust::token::{AuthenticClaims, Expectations, KeySet, TokenError, UnverifiedToken};

/// An issuer is asked at most once in this time, whether it failed or a token names a key that it does not
/// have.
pub const REST: SignedDuration = SignedDuration::from_secs(30);

/// How long the keys of an unreachable issuer are used after they should have been refreshed.
pub const STALE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How many issuers have a slot. Beyond that, the least recently used ones are fetched again.
const MAX_ISSUERS: usize = 1_000;

pub struct IssuerKeys {
    fetcher: Arc<Fetcher>,
    clock: Arc<dyn Clock>,
    slots: Cache<SlotKey, Arc<Slot>>,
}

/// A token was not accepted: it is invalid, or its issuer's keys could not be fetched.
#[derive(Debug, Error)]
pub enum NotVerified {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("could not fetch the issuer's keys: {0}")]
    Keys(Arc<DiscoveryError>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct SlotKey {
    id: String,
    digest: [u8; 32],
}

#[derive(Default)]
struct Slot {
    known: Mutex<Known>,
    /// Held by the task that asks the issuer. Other callers wait and use its result.
    turns: Arc<Turns<()>>,
}

#[derive(Default)]
struct Known {
    held: Option<Held>,
    failure: Option<Arc<DiscoveryError>>,
    asked_at: Option<Timestamp>,
}

struct Held {
    keys: Arc<KeySet>,
    fresh_until: Timestamp,
}

type Answer = Result<Arc<KeySet>, Arc<DiscoveryError>>;

impl IssuerKeys {
    pub fn new(fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self::for_at_most(MAX_ISSUERS, fetcher, clock)
    }

    pub fn for_at_most(issuers: usize, fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self { fetcher: Arc::new(fetcher), clock, slots: Cache::new(issuers) }
    }

    /// Verifies `token` with the keys of `issuer`. Fetches nothing for a token that claims another issuer.
    /// Ignores `expected.issuer` and uses the registered URL.
    pub async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        issuer: &RegisteredIssuer,
        expected: &Expectations<'_>,
    ) -> Result<AuthenticClaims, NotVerified> {
        if token.claimed_issuer() != issuer.url {
            let (expected, found) = (issuer.url.clone(), token.claimed_issuer().to_owned());
            return Err(TokenError::Issuer { expected, found }.into());
        }
        let expected = Expectations { issuer: &issuer.url, ..*expected };
        let keys = self.keys(issuer).await.map_err(NotVerified::Keys)?;
        match token.verify(&keys, &expected) {
            Err(refusal) if refusal.asks_for_another_key() => match self.newer_keys(issuer, &keys).await {
                Some(newer) => Ok(token.verify(&newer, &expected)?),
                None => Err(refusal.into()),
            },
            verified => Ok(verified?),
        }
    }

    /// The keys of `issuer`, fetched if the cached ones are too old.
    pub async fn keys(&self, issuer: &RegisteredIssuer) -> Answer {
        let slot = self.slot(issuer);
        if let Some(answer) = slot.answer(self.clock.now()) {
            return answer;
        }
        let turn = Arc::clone(&slot.turns).lock_owned().await;
        match slot.answer(self.clock.now()) {
            Some(answer) => answer,
            None => self.ask(issuer, slot, turn).await,
        }
    }

    /// Drops the cached keys of this registration; the next caller fetches them.
    pub fn forget(&self, id: &str) {
        self.slots.retain(|key, _| key.id != id);
    }

    /// The number of cached issuers.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Newer keys than `seen`, which lacked a token's key: fetched by another caller meanwhile, or now.
    async fn newer_keys(&self, issuer: &RegisteredIssuer, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let slot = self.slot(issuer);
        let turn = Arc::clone(&slot.turns).lock_owned().await;
        {
            let known = slot.known();
            if let Some(held) = &known.held
                && !Arc::ptr_eq(&held.keys, seen)
            {
                return Some(Arc::clone(&held.keys));
            }
            if known.rests(self.clock.now()) {
                return None;
            }
        }
        self.ask(issuer, slot, turn).await.ok()
    }

    /// Asks the issuer, then passes the turn on. The request finishes even if its caller is gone: otherwise a
    /// client that disconnects repeatedly could make the server ask the issuer without pause.
    async fn ask(&self, issuer: &RegisteredIssuer, slot: Arc<Slot>, turn: OwnedMutexGuard<()>) -> Answer {
        let (fetcher, clock, issuer) = (Arc::clone(&self.fetcher), Arc::clone(&self.clock), issuer.clone());
        let asking = tokio::spawn(async move {
            let asked_at = clock.now();
            let outcome = discover(&fetcher, &issuer).await;
            if let Err(error) = &outcome {
                tracing::warn!(
                    issuer = issuer.id,
                    error = error.with_causes(),
                    "could not fetch the keys of a trusted issuer"
                );
            }
            let answer = slot.learn(outcome, asked_at, clock.now());
            drop(turn);
            answer
        });
        asking.await.unwrap_or_else(|_| Err(Arc::new(DiscoveryError::CutShort)))
    }

    fn slot(&self, issuer: &RegisteredIssuer) -> Arc<Slot> {
        let key = SlotKey { id: issuer.id.clone(), digest: issuer.digest() };
        let slot: Result<_, std::convert::Infallible> =
            self.slots.get_or_insert_with(&key, || Ok(Arc::new(Slot::default())));
        let Ok(slot) = slot;
        slot
    }
}

impl Slot {
    /// Never held across an await.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer from the cache; `None` if it is time to ask the issuer.
    fn answer(&self, now: Timestamp) -> Option<Answer> {
        let known = self.known();
        match &known.held {
            Some(held) if now < held.fresh_until => Some(Ok(Arc::clone(&held.keys))),
            _ if known.rests(now) => Some(known.stale(now)),
            _ => None,
        }
    }

    fn learn(
        &self,
        outcome: Result<DiscoveredKeys, DiscoveryError>,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Answer {
        let mut known = self.known();
        // Set only with the outcome: callers that come meanwhile wait for it.
        known.asked_at = Some(asked_at);
        match outcome {
            Ok(DiscoveredKeys { keys, fresh_for }) => {
                let keys = Arc::new(keys);
                let fresh_until = asked_at.checked_add(fresh_for).unwrap_or(Timestamp::MAX);
                known.held = Some(Held { keys: Arc::clone(&keys), fresh_until });
                known.failure = None;
                Ok(keys)
            }
            Err(error) => {
                known.failure = Some(Arc::new(error));
                known.stale(now)
            }
        }
    }
}

impl Known {
    /// Whether the issuer was asked less than `REST` ago. A clock that was set back does not extend the rest.
    fn rests(&self, now: Timestamp) -> bool {
        self.asked_at.is_some_and(|asked_at| now.duration_since(asked_at).abs() < REST)
    }

    /// Keys past their lifetime but within `STALE_FOR`, or the reason why they could not be refreshed.
    fn stale(&self, now: Timestamp) -> Answer {
        match (&self.held, &self.failure) {
            (Some(held), _) if now.duration_since(held.fresh_until) < STALE_FOR => Ok(Arc::clone(&held.keys)),
            (_, Some(failure)) => Err(Arc::clone(failure)),
            (_, None) => Err(Arc::new(DiscoveryError::CutShort)),
        }
    }
}
