//! Runs. Everything but a run's state is fixed when it starts.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::access_token::Origin;
use super::organization::KeyChoice;
use crate::issuer::profile::{AudienceProfiles, Facts, Shape, ShapeError};
use crate::issuer::service::Attributes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    Active,
    Finished,
    Cancelled,
    /// Active until its deadline, which has passed. Never stored: it follows from the time.
    Expired,
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Finished, Self::Cancelled, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// The state at `now` of a run that was stored as `self`.
    pub fn at(self, now: Timestamp, expires_at: Timestamp) -> Self {
        if self == Self::Active && expires_at <= now { Self::Expired } else { self }
    }
}

#[derive(Clone, Debug)]
pub struct Run {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub organization: String,
    pub keys: KeyChoice,
    pub service: String,
    pub attributes: Attributes,
    pub subject: String,
    /// The claims of each of its tokens beside the registered ones.
    pub claims: Map<String, Value>,
    /// The audience profiles in force when it started, which shape its tokens.
    pub profiles: Arc<AudienceProfiles>,
    /// The values that profile templates may name; empty without profiles.
    pub template_values: Attributes,
    /// Settings of clouds, as they were when it started.
    pub cloud: Map<String, Value>,
    /// The audiences it may ask for; `None` for any.
    pub audiences: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// For which token of another issuer its starter's access token was exchanged.
    pub origin: Option<Origin>,
    /// The state in the database; `state_at` gives the state at a time.
    pub stored_state: RunState,
}

impl Run {
    pub fn state_at(&self, now: Timestamp) -> RunState {
        self.stored_state.at(now, self.expires_at)
    }

    /// The run as its tokens for `audience` show it.
    pub fn shape(&self, audience: &str) -> Result<Shape<'_>, ShapeError> {
        let facts = Facts {
            service: &self.service,
            subject: &self.subject,
            values: &self.template_values,
            claims: &self.claims,
        };
        self.profiles.shape(audience, facts)
    }
}

#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub state: Option<RunState>,
    pub service: Option<String>,
    pub subject: Option<String>,
}

/// How a run was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Finished,
    Cancelled,
}

impl Ending {
    pub fn state(self) -> RunState {
        match self {
            Self::Finished => RunState::Finished,
            Self::Cancelled => RunState::Cancelled,
        }
    }
}
