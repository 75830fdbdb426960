//! Teams and users: names with rights in an organization.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    Team,
    User,
}

impl PrincipalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::User => "user",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Team, Self::User].into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct Principal {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub kind: PrincipalKind,
    pub name: String,
    pub rights: Vec<Right>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

/// A right to the runs of some projects and stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// The project's name, or `*` for all.
    pub project: String,
    /// The stack's name, or `*` for all.
    pub stack: String,
    pub access: Access,
}

impl Right {
    /// Whether it covers `needed` for runs of this project and stack. A run that has none of them is
    /// covered by nothing.
    pub fn covers(&self, project: Option<&str>, stack: Option<&str>, needed: Access) -> bool {
        let is =
            |allowed: &str, found: Option<&str>| found.is_some_and(|one| allowed == "*" || allowed == one);
        self.access >= needed && is(&self.project, project) && is(&self.stack, stack)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
}
