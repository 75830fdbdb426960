//! A provider's name.

/// A provider's resource name without `https:`, which the token exchange takes for its audience.
pub(super) fn resource(project_number: &str, pool: &str, provider: &str) -> String {
    format!(
        "//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
    )
}
