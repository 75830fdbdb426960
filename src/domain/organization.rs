//! Organizations, and how their tokens are signed.

use jiff::Timestamp;
use uuid::Uuid;

use crate::issuer::organization_name::OrganizationName;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::IssuerId;

#[derive(Clone, Debug)]
pub struct Organization {
    pub id: Uuid,
    pub name: OrganizationName,
    pub created_at: Timestamp,
    pub keys: KeyChoice,
}

/// Whose keys sign an organization's tokens, and how. Decided when it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyChoice {
    pub own_issuer: bool,
    /// Where the audience does not decide.
    pub algorithm: SigningAlgorithm,
}

impl KeyChoice {
    pub fn issuer(self, organization_id: Uuid) -> IssuerId {
        if self.own_issuer { IssuerId::Organization(organization_id) } else { IssuerId::Shared }
    }
}
