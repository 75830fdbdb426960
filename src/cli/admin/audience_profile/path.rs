//! The path of an organization's profiles.

use crate::issuer::organization_name::OrganizationName;

pub(super) fn path(org: &OrganizationName) -> String {
    format!("/api/orgs/{org}/audience-profiles")
}
