//! Access tokens of the API: their roles, their holders and where they came from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::principal::{PrincipalKind, Right};
use crate::issuer::organization_name::OrganizationName;

/// What a token may do. Inside an organization each role includes the ones after it.
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

/// In whose name a token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody's but its own: what it may do is its role.
    Role,
    /// A team's or a user's, and within their rights.
    Principal { id: Uuid, kind: PrincipalKind, name: String, rights: Vec<Right> },
    /// A pool's of runners.
    Runner(String),
}

impl Holder {
    /// What kind it is and its name, where it is somebody with a name.
    pub fn named(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Role => None,
            Self::Principal { kind, name, .. } => Some((kind.as_str(), name)),
            Self::Runner(name) => Some(("runner", name)),
        }
    }
}

/// Where a token came from that was exchanged: what is known of the other issuer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub issuer: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}
