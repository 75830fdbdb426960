//! AWS's names of actions and claims, and its quotas.

pub(super) const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
pub(super) const TAG_SESSION: &str = "sts:TagSession";
pub(super) const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";

/// "Role trust policy length: 2,048 characters", which can be raised to 4,096; white space does not count
/// (IAM User Guide, "IAM and AWS STS quotas").
pub(super) const MAX_POLICY_CHARS: usize = 2_048;

/// The claims for session tags, in both forms that AWS reads.
pub(super) const TAGS: &str = "https://aws.amazon.com/tags";
pub(super) const FLAT_TAGS: &str = "https://aws.amazon.com/tags/principal_tags/";
pub(super) const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// A provider's URL as in ARNs and condition keys.
pub(super) fn provider_of(issuer: &str) -> String {
    let bare = issuer.strip_prefix("https://").unwrap_or(issuer);
    // IAM drops the default port.
    match bare.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.strip_suffix(":443").unwrap_or(host)),
        None => bare.strip_suffix(":443").unwrap_or(bare).to_owned(),
    }
}
