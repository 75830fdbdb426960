//! The outside world, which the service cannot inform: one verifier's cache and one token. Both are chosen
//! freely, so a property of these holds for all of them.

use super::setting::Ticks;
use super::table::{Slots, without_slot};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outside {
    pub(super) cache: Option<Cache>,
    pub(super) token: Option<Token>,
}

/// A key set that a verifier fetched, for as long as it may keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cache {
    pub(super) keys: Slots,
    pub(super) age: Ticks,
}

/// A token, for as long as it may be presented: until `exp` plus the verifier's leeway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Token {
    pub(super) slot: usize,
    pub(super) left: Ticks,
}

impl Outside {
    pub(super) fn older(&self, max_age: Ticks) -> Self {
        Self {
            cache: self.cache.map(|cache| Cache { age: cache.age + 1, ..cache }).filter(|c| c.age <= max_age),
            token: self.token.map(|token| Token { left: token.left - 1, ..token }).filter(|t| t.left >= 0),
        }
    }

    pub(super) fn fetched(&self, keys: Slots) -> Self {
        Self { cache: Some(Cache { keys, age: 0 }), ..*self }
    }

    pub(super) fn without(&self, slot: usize) -> Self {
        Self {
            cache: self.cache.map(|cache| Cache { keys: without_slot(cache.keys, slot), ..cache }),
            token: self
                .token
                .map(|token| Token { slot: token.slot - usize::from(token.slot > slot), ..token }),
        }
    }
}
