//! The names that a service may give its claims.

use super::definition::ServiceError;
use crate::subject::is_attribute_name;

/// Claims that only the issuer sets: those of RFC 7519 §4.1, RFC 7800, RFC 8693 §4.1 and OpenID Connect Core
/// 1.0 §2, and those of every run.
const RESERVED_CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "act",
    "may_act",
    "cnf",
    "nonce",
    "amr",
    "acr",
    "auth_time",
    "at_hash",
    "c_hash",
    "org",
    "org_id",
    "run_id",
    "client_id",
    "events",
    "sid",
];

pub(super) fn check_claim_name(claim: &str) -> Result<(), ServiceError> {
    if let Some(url) = claim.strip_prefix("https://") {
        // AWS reads session tags, roles and the source identity from these claims.
        let host = url.split('/').next().unwrap_or_default();
        let amazon =
            host == "amazon.com" || host.ends_with(".amazon.com") || host.ends_with(".amazonaws.com");
        let plain =
            url.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._~/".contains(&b));
        return match (plain && url.contains('/'), amazon) {
            (true, false) => Ok(()),
            (_, true) => Err(ServiceError::Reserved(claim.to_owned())),
            (false, _) => Err(ServiceError::ClaimName(claim.to_owned())),
        };
    }
    if !is_attribute_name(claim) {
        return Err(ServiceError::ClaimName(claim.to_owned()));
    }
    if RESERVED_CLAIMS.contains(&claim) {
        return Err(ServiceError::Reserved(claim.to_owned()));
    }
    Ok(())
}
