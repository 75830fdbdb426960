//! The keys as the database has them, or as a replica has read them: each time as an age, so that the same
//! situation an hour later is the same state.

use jiff::{SignedDuration, Timestamp};
use runmint::signing::rotation::{KeyLife, RotationPolicy};

use super::setting::{Oldest, Ticks, ago, now};

pub(super) const SLOTS: usize = 5;

/// A set of slots.
pub(super) type Slots = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) published: Ticks,
    /// For how long other processes have been able to read its record, which the rules do not know.
    pub(super) visible: Ticks,
    pub(super) from: Option<Ticks>,
    pub(super) until: Option<Ticks>,
    pub(super) removed: bool,
    pub(super) revoked: Option<Ticks>,
    pub(super) private_half: bool,
}

impl Key {
    pub(super) fn published(age: Ticks) -> Self {
        Self {
            published: age,
            visible: 0,
            from: None,
            until: None,
            removed: false,
            revoked: None,
            private_half: true,
        }
    }

    pub(super) fn is_published(&self) -> bool {
        self.life().is_published()
    }

    /// The key in the form of the real rules.
    pub(super) fn life(&self) -> KeyLife {
        KeyLife {
            kept_until: None,
            published_at: ago(self.published),
            signs_from: self.from.map(ago),
            signs_until: self.until.map(ago),
            removed_at: self.removed.then(now),
            revoked_at: self.revoked.map(ago),
            has_private_half: self.private_half,
        }
    }

    fn older(&self, oldest: Oldest) -> Self {
        Self {
            published: (self.published + 1).min(oldest.published),
            visible: (self.visible + 1).min(oldest.published),
            from: self.from.map(|age| (age + 1).min(oldest.signing)),
            until: self.until.map(|age| (age + 1).min(oldest.ended)),
            revoked: self.revoked.map(|age| (age + 1).min(oldest.revoked)),
            ..*self
        }
    }
}

/// Keys in order of creation. A slot means the same key in the database, in replicas' memory and in caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) keys: [Option<Key>; SLOTS],
    /// Whether a key was revoked: the model has at most one revocation.
    pub(super) had_emergency: bool,
}

impl Table {
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &Key)> {
        self.keys.iter().enumerate().filter_map(|(slot, key)| Some((slot, key.as_ref()?)))
    }

    pub(super) fn where_key(&self, holds: impl Fn(&Key) -> bool) -> Slots {
        self.slots().filter(|(_, key)| holds(key)).fold(0, |slots, (slot, _)| slots | 1 << slot)
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys[SLOTS - 1].is_some()
    }

    pub(super) fn insert(&mut self, key: Key) -> usize {
        let slot = self.keys.iter().position(Option::is_none).expect("a slot is free");
        self.keys[slot] = Some(key);
        slot
    }

    pub(super) fn key_mut(&mut self, slot: usize) -> &mut Key {
        self.keys[slot].as_mut().expect("the slot has a key")
    }

    pub(super) fn older(&self, oldest: Oldest) -> Self {
        Self { keys: self.keys.map(|key| Some(key?.older(oldest))), ..*self }
    }

    /// Forgets the key of `slot`; later ones move up.
    pub(super) fn without(&self, slot: usize) -> Self {
        let mut keys = self.keys;
        keys[slot..].rotate_left(1);
        keys[SLOTS - 1] = None;
        Self { keys, ..*self }
    }

    /// The keys in the form of the real rules.
    pub(super) fn lives(&self) -> Vec<(usize, KeyLife)> {
        self.slots().map(|(slot, key)| (slot, key.life())).collect()
    }

    /// The key that signs at `offset` from the database's clock.
    pub(super) fn signs_at(&self, policy: &RotationPolicy, offset: SignedDuration) -> Option<usize> {
        let lives = self.lives();
        lives.iter().find(|(_, life)| policy.signs_at(life, now() + offset)).map(|(slot, _)| *slot)
    }
}

/// The age of a time that a rule returned.
pub(super) fn age_of(moment: Timestamp) -> Ticks {
    Ticks::try_from(now().duration_since(moment).as_secs()).expect("a model's times are short")
}

/// `slots` after the key of `gone` was forgotten.
pub(super) fn without_slot(slots: Slots, gone: usize) -> Slots {
    let below = slots & ((1 << gone) - 1);
    below | (slots >> 1 & !((1 << gone) - 1))
}
