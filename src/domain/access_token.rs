//! Access tokens of the API: their roles, their holders and where they came from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::principal::{PrincipalKind, Right};
use crate::issuer::organization_name::OrganizationName;

/// What an access token may do. An admin may do everything. Within an organization each role includes those below
/// it: owner, orchestrator, viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Viewer,
    Orchestrator,
    Owner,
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Orchestrator => "orchestrator",
            Self::Owner => "owner",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Orchestrator, Self::Owner, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct AccessToken {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// `None` exactly for role admin.
    pub organization: Option<(Uuid, OrganizationName)>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub holder: Holder,
    /// The token of another issuer that it was exchanged for.
    pub origin: Option<Origin>,
}

impl AccessToken {
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// The holder in whose name a token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Its own: its role decides what it may do.
    Role,
    /// A team or user, within its rights.
    Principal { id: Uuid, kind: PrincipalKind, name: String, rights: Vec<Right> },
    /// A pool of runners.
    Runner(String),
}

impl Holder {
    /// The kind and name of a team, user or runner.
    pub fn named(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Role => None,
            Self::Principal { kind, name, .. } => Some((kind.as_str(), name)),
            Self::Runner(name) => Some(("runner", name)),
        }
    }
}

/// The token of another issuer that an access token was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub issuer: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}
