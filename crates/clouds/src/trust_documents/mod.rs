//! Trust documents: the policies by which relying parties trust tokens. They are written here as narrowly as possible,
//! and evaluated as their relying party evaluates them.

pub mod aws;
pub mod azure;
pub mod document;
mod expression;
pub mod google;
pub mod grant;
pub mod kubernetes;
pub mod lint;
mod probe;
pub mod quoting;
mod regular_expression;
pub mod review;
pub mod subject_form;
pub mod token;
pub mod vault;
pub mod verdict;
mod wildcard;

#[cfg(test)]
mod tests;
