//! Trust policies of AWS IAM roles for `sts:AssumeRoleWithWebIdentity`.
//!
//! Of a token, conditions see `aud`, `sub` and `amr` alone, under the provider's URL without its scheme; session
//! tags and a source identity come as keys of their own (IAM User Guide, "Available keys for AWS OIDC
//! federation" and "IAM JSON policy elements: Condition operators").

mod evaluate;
mod lint;
mod operator;
mod policy;
mod value;
mod write;

pub use self::policy::{PolicyError, TrustPolicy};
pub use self::write::AwsTarget;

pub const AUDIENCE: &str = "sts.amazonaws.com";

const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
const TAG_SESSION: &str = "sts:TagSession";
const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";

/// "Role trust policy length: 2,048 characters", which can be raised to 4,096; blanks do not count
/// (IAM User Guide, "IAM and AWS STS quotas").
const MAX_POLICY_CHARS: usize = 2_048;

/// The claims that AWS takes session tags from, in its two spellings.
const TAGS: &str = "https://aws.amazon.com/tags";
const FLAT_TAGS: &str = "https://aws.amazon.com/tags/principal_tags/";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// A provider's URL as ARNs and condition keys have it.
fn provider_of(issuer: &str) -> String {
    let bare = issuer.strip_prefix("https://").unwrap_or(issuer);
    // IAM drops the port that goes without saying.
    match bare.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.strip_suffix(":443").unwrap_or(host)),
        None => bare.strip_suffix(":443").unwrap_or(bare).to_owned(),
    }
}
