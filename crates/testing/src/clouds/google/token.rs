//! The checks that Google's token service makes on a token.

use jiff::{SignedDuration, Timestamp};

use super::Provider;
use super::answers::OAuthError;
use crate::clouds::assertion::Assertion;
use crate::clouds::issuer::Published;
use crate::clouds::signature::verifies;

const ALGORITHMS: [&str; 2] = ["RS256", "ES256"];
const OLDEST: SignedDuration = SignedDuration::from_hours(24);
/// From an older version of the documentation: `exp` is less than this after `iat`.
const LONGEST: SignedDuration = SignedDuration::from_hours(48);

pub(super) fn check(assertion: &Assertion, provider: &Provider, now: Timestamp) -> Result<(), OAuthError> {
    if assertion.key_id().is_none() || !ALGORITHMS.contains(&assertion.algorithm()) {
        return Err(OAuthError::invalid_grant(
            "The ID Token header must have a kid, and RS256 or ES256 as its alg.",
        ));
    }
    if assertion.text("iss") != Some(&provider.issuer) {
        let found = assertion.text("iss").unwrap_or_default();
        let expected = &provider.issuer;
        return Err(OAuthError::invalid_grant(&format!(
            "The issuer in ID Token {found} does not match the expected ones: {expected}."
        )));
    }
    let audiences = assertion.audiences();
    if !audiences.iter().any(|found| provider.audiences().contains(found)) {
        return Err(OAuthError::invalid_grant(&format!(
            "The audience in ID Token [{}] does not match the expected audience.",
            audiences.join(", ")
        )));
    }
    let (Some(issued_at), Some(expires_at)) = (assertion.seconds("iat"), assertion.seconds("exp")) else {
        return Err(OAuthError::invalid_grant("The ID Token must have iat and exp as whole seconds."));
    };
    let stale = now.as_second() >= expires_at || now.as_second() - issued_at > OLDEST.as_secs();
    if stale {
        let why = format!("ID Token issued at {issued_at} is stale to sign-in.");
        return Err(OAuthError::invalid_grant(&why));
    }
    if issued_at > now.as_second() || expires_at - issued_at > LONGEST.as_secs() {
        let why = format!("ID Token issued at {issued_at} expires at {expires_at}: not a valid range.");
        return Err(OAuthError::invalid_grant(&why));
    }
    Ok(())
}

pub(super) fn verify(
    assertion: &Assertion,
    provider: &Provider,
    published: &Published,
) -> Result<(), OAuthError> {
    if published.issuer != provider.issuer {
        return Err(OAuthError::invalid_grant(
            "`issuer` claim in OIDC discovery document does not match the issuer specified in the request.",
        ));
    }
    let key = published.keys.iter().find(|key| key["kid"].as_str() == assertion.key_id());
    let key = key.ok_or_else(OAuthError::no_issuer)?;
    if verifies(assertion, key) {
        return Ok(());
    }
    Err(OAuthError::invalid_grant("The signature of the ID Token is invalid."))
}
