//! The state of a key at a moment, from the times in its record alone.

use jiff::Timestamp;

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, but not signing yet.
    Next,
    /// Signing. Each issuer and algorithm has at most one.
    Active,
    /// Still published, but no longer signing.
    Previous,
    /// No longer published. Its public half stays in the record.
    Removed,
    /// Taken out of service at once, because it may be compromised.
    Revoked,
}

impl KeyState {
    /// As the API and the database write it: lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Previous => "previous",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }

    /// Whether verifiers find it in the key set.
    pub fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Previous => true,
            Self::Removed | Self::Revoked => false,
        }
    }
}

/// When a key was or will be published, used, removed or revoked, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLife {
    pub published_at: Timestamp,
    /// When it starts to sign. `None` until that is decided.
    pub signs_from: Option<Timestamp>,
    /// When it stops signing. `None` until that is decided.
    pub signs_until: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The earliest time to remove it, by the settings in force when its end was decided: later settings may
    /// be shorter, but the tokens it signed keep their lifetime.
    pub kept_until: Option<Timestamp>,
    /// Whether the private half still exists.
    pub has_private_half: bool,
}

impl KeyLife {
    /// A key that is published at `at`, with nothing else decided.
    pub fn published(at: Timestamp) -> Self {
        Self {
            published_at: at,
            signs_from: None,
            signs_until: None,
            removed_at: None,
            revoked_at: None,
            kept_until: None,
            has_private_half: true,
        }
    }

    /// Its state at `now`.
    pub fn state_at(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            return KeyState::Revoked;
        }
        if self.removed_at.is_some() {
            return KeyState::Removed;
        }
        match (self.signs_from, self.signs_until) {
            (_, Some(until)) if until <= now => KeyState::Previous,
            (Some(from), _) if from <= now => KeyState::Active,
            _ => KeyState::Next,
        }
    }

    /// Whether verifiers find it in the key set.
    pub fn is_published(&self) -> bool {
        self.revoked_at.is_none() && self.removed_at.is_none()
    }

    /// Whether it is published and not chosen to sign yet.
    pub fn waits(&self) -> bool {
        self.is_published() && self.signs_from.is_none() && self.signs_until.is_none()
    }

    /// Whether it signs, now or from a decided moment on, until another key is chosen.
    pub fn is_designated(&self) -> bool {
        self.is_published() && self.signs_from.is_some() && self.signs_until.is_none()
    }
}
