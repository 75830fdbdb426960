//! What a key is at a moment, from the times in its record alone.

use jiff::Timestamp;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, and not signing yet.
    Next,
    /// Signing; one for each issuer and algorithm.
    Active,
    /// Published still, and signing no more.
    Previous,
    /// Not published any more. Its public half stays in the record.
    Removed,
    /// Taken out of service in an emergency.
    Revoked,
}

impl KeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Previous => "previous",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }

    pub fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Previous => true,
            Self::Removed | Self::Revoked => false,
        }
    }
}

/// When things happened to a key, or will, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLife {
    pub published_at: Timestamp,
    /// `None` while nothing is decided.
    pub signs_from: Option<Timestamp>,
    /// `None` while nothing is decided.
    pub signs_until: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Published at least so long, by the settings of when its end was decided: later ones may be shorter,
    /// and what it signed lives as long as it does.
    pub kept_until: Option<Timestamp>,
    /// Whether the private half still exists.
    pub has_private_half: bool,
}

impl KeyLife {
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

    pub fn is_published(&self) -> bool {
        self.revoked_at.is_none() && self.removed_at.is_none()
    }

    /// Published, and not chosen to sign yet.
    pub fn waits(&self) -> bool {
        self.is_published() && self.signs_from.is_none() && self.signs_until.is_none()
    }

    /// The one that signs until another is chosen: now, or from a moment that is decided.
    pub fn is_designated(&self) -> bool {
        self.is_published() && self.signs_from.is_some() && self.signs_until.is_none()
    }
}
