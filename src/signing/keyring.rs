//! The keys of an issuer as one process knows them: a snapshot, replaced whole.

use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, JwkSet};

use crate::signing::signing_key::SigningKey;

/// Where a key is in its life. Only an active key signs; every key but a removed or revoked one is
/// published, so that what it signed stays verifiable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Next,
    Active,
    Previous,
    Removed,
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

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Previous, Self::Removed, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    pub fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Previous => true,
            Self::Removed | Self::Revoked => false,
        }
    }
}

#[derive(Default)]
pub struct Keyring {
    active: Option<Arc<SigningKey>>,
    published: Vec<Jwk>,
}

impl Keyring {
    pub fn new(active: Option<Arc<SigningKey>>, published: Vec<Jwk>) -> Self {
        Self { active, published }
    }

    /// The key that signs now.
    pub fn active(&self) -> Option<&Arc<SigningKey>> {
        self.active.as_ref()
    }

    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.published.clone() }
    }

    /// The algorithms that really sign.
    pub fn algorithms(&self) -> Vec<String> {
        self.active.iter().map(|key| key.algorithm().as_str().to_owned()).collect()
    }
}
