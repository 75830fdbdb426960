//! Resource names.

/// A provider's resource name without `https:`, the audience of the token exchange.
pub(super) fn resource(project_number: &str, pool: &str, provider: &str) -> String {
    format!(
        "//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
    )
}
