//! Trusted issuers and their policies.

use super::{Problem, sentence};
use crate::api::problem::ProblemType;
use crate::flows::policies::PolicyFlowError;
use crate::flows::trusted_issuers::TrustedIssuerError;

impl From<TrustedIssuerError> for Problem {
    fn from(error: TrustedIssuerError) -> Self {
        match error {
            TrustedIssuerError::Name
            | TrustedIssuerError::Url(_)
            | TrustedIssuerError::Thumbprints
            | TrustedIssuerError::MaxExpiration
            | TrustedIssuerError::Jwks(_)
            | TrustedIssuerError::Unreachable(_) => Self::invalid_input(sentence(&error)),
            TrustedIssuerError::StaticKeys => Self::bad_request(sentence(&error)),
            TrustedIssuerError::TooMany | TrustedIssuerError::Taken => {
                Self::new(ProblemType::Conflict, sentence(&error))
            }
            TrustedIssuerError::NoSuchIssuer => Self::new(ProblemType::NotFound, sentence(&error)),
            TrustedIssuerError::Store(error) => error.into(),
        }
    }
}

impl From<PolicyFlowError> for Problem {
    fn from(error: PolicyFlowError) -> Self {
        match error {
            PolicyFlowError::Form(_)
            | PolicyFlowError::Policies(_)
            | PolicyFlowError::Saving(_)
            | PolicyFlowError::Role { .. } => Self::invalid_input(sentence(&error)),
            PolicyFlowError::NoSuchPolicy => Self::new(ProblemType::NotFound, sentence(&error)),
            PolicyFlowError::Changed => Self::new(ProblemType::Conflict, sentence(&error)),
            PolicyFlowError::Undecided => Self::internal(&error),
            PolicyFlowError::Store(error) => error.into(),
        }
    }
}
