//! Actions, quotas and claims by the names that AWS gives them.

pub(super) const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
pub(super) const TAG_SESSION: &str = "sts:TagSession";
pub(super) const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";

/// "Role trust policy length: 2,048 characters", which can be raised to 4,096; blanks do not count
/// (IAM User Guide, "IAM and AWS STS quotas").
pub(super) const MAX_POLICY_CHARS: usize = 2_048;

/// The claims that AWS takes session tags from, in its two spellings.
pub(super) const TAGS: &str = "https://aws.amazon.com/tags";
pub(super) const FLAT_TAGS: &str = "https://aws.amazon.com/tags/principal_tags/";
pub(super) const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// A provider's URL as ARNs and condition keys have it.
pub(super) fn provider_of(issuer: &str) -> String {
    let bare = issuer.strip_prefix("https://").unwrap_or(issuer);
    // IAM drops the port that goes without saying.
    match bare.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.strip_suffix(":443").unwrap_or(host)),
        None => bare.strip_suffix(":443").unwrap_or(bare).to_owned(),
    }
}
