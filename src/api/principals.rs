//! `/api/orgs/{org}/teams` and `/api/orgs/{org}/users`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OrNewer;

/// What may be done with the runs of some projects and stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// The project's name, or `*` for all.
    pub project: String,
    /// The stack's name, or `*` for all.
    pub stack: String,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
}

/// `POST /api/orgs/{org}/teams` and `POST /api/orgs/{org}/users`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    pub name: String,
    #[serde(default)]
    pub rights: Vec<Right>,
}

/// `PATCH /api/orgs/{org}/teams/{name}` and `PATCH /api/orgs/{org}/users/{name}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRights {
    pub rights: Vec<Right>,
}

/// A team or a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    pub id: Uuid,
    pub name: String,
    pub rights: Vec<OrNewer<Right>>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Teams {
    pub teams: Vec<Principal>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Users {
    pub users: Vec<Principal>,
}
