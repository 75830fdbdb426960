//! Trust policies of AWS IAM roles for `sts:AssumeRoleWithWebIdentity`.
//!
//! Conditions see only `aud`, `sub` and `amr` of a token, under the provider's URL without its scheme; session tags
//! and a source identity have keys of their own (IAM User Guide, "Available keys for AWS OIDC federation" and "IAM
//! JSON policy elements: Condition operators").

mod evaluate;
mod lint;
mod operator;
mod policy;
mod value;
mod vocabulary;
mod write;

pub use self::policy::{PolicyError, TrustPolicy};
pub use self::write::AwsTarget;

/// The default client ID of the identity provider.
pub const AUDIENCE: &str = "sts.amazonaws.com";
