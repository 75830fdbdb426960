//! Callers, and organizations with their access tokens, teams and users.

use super::{Problem, sentence};
use crate::api::problem::ProblemType;
use crate::flows::access_tokens::CreateAccessTokenError;
use crate::flows::authorize::AuthorizeError;
use crate::flows::organizations::CreateOrganizationError;
use crate::flows::principals::PrincipalError;

impl From<AuthorizeError> for Problem {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Unauthenticated => Self::unauthorized(),
            AuthorizeError::Forbidden { .. }
            | AuthorizeError::NotCovered { .. }
            | AuthorizeError::NotItsActor { .. } => Self::new(ProblemType::Forbidden, sentence(&error)),
            AuthorizeError::NotFound(_) => Self::new(ProblemType::NotFound, sentence(&error)),
            AuthorizeError::Store(error) => error.into(),
        }
    }
}

impl From<CreateOrganizationError> for Problem {
    fn from(error: CreateOrganizationError) -> Self {
        match error {
            CreateOrganizationError::Name(_) | CreateOrganizationError::IssuerTooLong { .. } => {
                Self::invalid_input(sentence(&error))
            }
            CreateOrganizationError::MakeKey(error) => error.into(),
            CreateOrganizationError::NameTaken(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            CreateOrganizationError::Store(error) => error.into(),
        }
    }
}

impl From<CreateAccessTokenError> for Problem {
    fn from(error: CreateAccessTokenError) -> Self {
        match error {
            CreateAccessTokenError::Name
            | CreateAccessTokenError::Role
            | CreateAccessTokenError::ExpiresIn => Self::invalid_input(sentence(&error)),
            CreateAccessTokenError::Store(error) => error.into(),
        }
    }
}

impl From<PrincipalError> for Problem {
    fn from(error: PrincipalError) -> Self {
        match error {
            PrincipalError::Name | PrincipalError::Rights => Self::invalid_input(sentence(&error)),
            PrincipalError::NameTaken { .. } => Self::new(ProblemType::Conflict, sentence(&error)),
            PrincipalError::NoSuch { .. } => Self::new(ProblemType::NotFound, sentence(&error)),
            PrincipalError::Store(error) => error.into(),
        }
    }
}
