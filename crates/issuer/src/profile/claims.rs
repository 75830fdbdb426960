//! Which claims a token has in addition to the registered ones.

use serde_json::{Map, Value};

use super::definition::ProfileDefinition;
use super::error::DefinitionError;
use crate::claims::REGISTERED_CLAIMS;
use crate::service::Services;

/// The claims of runs that no service declares.
const OF_EVERY_RUN: &[&str] = &["org", "org_id", "run_id", "act", "actor"];
/// Those of them that are not text.
const NOT_TEXT: &[&str] = &["act"];

#[derive(Debug)]
pub(super) enum ClaimRule {
    All,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

impl ClaimRule {
    pub(super) fn compile(definition: &ProfileDefinition) -> Result<Self, DefinitionError> {
        match (&definition.include_claims, &definition.leave_out_claims) {
            (None, None) => Ok(Self::All),
            (Some(only), None) => Ok(Self::Only(only.clone())),
            (None, Some(without)) => Ok(Self::AllBut(without.clone())),
            (Some(_), Some(_)) => Err(DefinitionError::IncludeAndLeaveOut),
        }
    }

    pub(super) fn includes(&self, claim: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only.iter().any(|one| one == claim),
            Self::AllBut(without) => without.iter().all(|one| one != claim),
        }
    }

    /// `claims` without those that are left out, in their order.
    pub(super) fn apply(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        let included = claims.iter().filter(|(claim, _)| self.includes(claim));
        included.map(|(claim, value)| (claim.clone(), value.clone())).collect()
    }
}

/// Checks the names of claims: a mistyped one would silently have no effect.
pub(super) fn check(definition: &ProfileDefinition, services: &Services) -> Result<(), DefinitionError> {
    let lists = definition.include_claims.iter().chain(&definition.leave_out_claims);
    for list in lists {
        for (index, claim) in list.iter().enumerate() {
            if REGISTERED_CLAIMS.contains(&claim.as_str()) {
                return Err(DefinitionError::RegisteredClaim(claim.clone()));
            }
            if list[..index].contains(claim) {
                return Err(DefinitionError::Twice(claim.clone()));
            }
            require_known(claim, services)?;
        }
    }
    let tags = definition.aws_session_tags.iter().flat_map(|tags| tags.tags.values());
    for claim in tags.chain(&definition.source_identity) {
        require_known(claim, services)?;
        if NOT_TEXT.contains(&claim.as_str()) {
            return Err(DefinitionError::NotText(claim.clone()));
        }
    }
    Ok(())
}

fn require_known(claim: &str, services: &Services) -> Result<(), DefinitionError> {
    if OF_EVERY_RUN.contains(&claim) || services.claim_names().contains(&claim) {
        return Ok(());
    }
    Err(DefinitionError::UnknownClaim(claim.to_owned()))
}
