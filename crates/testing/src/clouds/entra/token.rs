//! The checks that Entra makes on a client assertion.

use jiff::{SignedDuration, Timestamp};

use super::FederatedCredential;
use super::answers::AadSts;
use crate::clouds::assertion::Assertion;
use crate::clouds::issuer::Published;
use crate::clouds::signature::verifies;

/// The parts of the token that are compared.
pub(super) struct Presented {
    pub(super) issuer: String,
    pub(super) subject: String,
    audiences: Vec<String>,
    issued_at: i64,
    not_before: i64,
    expires_at: i64,
}

const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// Not published; Microsoft's own tools issue tokens for up to a day.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Keys after these are ignored.
const STORED_KEYS: usize = 100;

pub(super) fn read(assertion: &Assertion) -> Result<Presented, AadSts> {
    let seconds = |claim| assertion.seconds(claim).ok_or_else(AadSts::malformed);
    let text = |claim| assertion.text(claim).map(str::to_owned).ok_or_else(AadSts::malformed);
    if assertion.repeats_a_claim || assertion.audiences().is_empty() {
        return Err(AadSts::malformed());
    }
    let (issued_at, expires_at) = (seconds("iat")?, seconds("exp")?);
    let not_before = assertion.seconds("nbf").unwrap_or(issued_at);
    let (issuer, subject, audiences) = (text("iss")?, text("sub")?, assertion.audiences());
    if issuer.starts_with("https://login.microsoftonline.com/")
        || issuer.starts_with("https://sts.windows.net/")
    {
        let why = "AAD-issued tokens may not be used for federated identity flows.";
        return Err(AadSts::new("invalid_client", 700_222, why));
    }
    Ok(Presented { issuer, subject, audiences, issued_at, not_before, expires_at })
}

/// Compared exactly and case-sensitively: for an issuer unknown to Microsoft there are no patterns.
pub(super) fn matches(presented: &Presented, credentials: &[FederatedCredential]) -> Result<(), AadSts> {
    let of_issuer: Vec<_> = credentials.iter().filter(|known| known.issuer == presented.issuer).collect();
    if of_issuer.is_empty() {
        return Err(AadSts::no_match(700_211, "issuer", &presented.issuer));
    }
    let of_subject: Vec<_> =
        of_issuer.into_iter().filter(|known| known.subject == presented.subject).collect();
    if of_subject.is_empty() {
        return Err(AadSts::no_match(700_213, "subject", &presented.subject));
    }
    if of_subject.iter().any(|known| presented.audiences == [known.audience.clone()]) {
        return Ok(());
    }
    Err(AadSts::no_match(700_212, "audience", &presented.audiences.join(",")))
}

pub(super) fn check_times(presented: &Presented, now: Timestamp) -> Result<(), AadSts> {
    let Presented { issued_at, not_before, expires_at, .. } = *presented;
    if expires_at - issued_at > LONGEST_LIFETIME.as_secs() {
        let why = format!(
            "Lifetime of the assertion exceeds the maximum of {} seconds.",
            LONGEST_LIFETIME.as_secs()
        );
        return Err(AadSts::new("invalid_request", 70023, &why));
    }
    if (now - LEEWAY).as_second() >= expires_at || (now + LEEWAY).as_second() < not_before {
        let moment =
            |seconds| Timestamp::from_second(seconds).map(|at| at.strftime("%FT%T.0000000Z").to_string());
        let why = format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry \
             time of assertion {}. Review the documentation at \
             https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .",
            moment(now.as_second()).unwrap_or_default(),
            moment(not_before).unwrap_or_default(),
            moment(expires_at).unwrap_or_default(),
        );
        return Err(AadSts::new("invalid_client", 700_024, &why));
    }
    Ok(())
}

pub(super) fn verify(
    assertion: &Assertion,
    presented: &Presented,
    published: &Published,
) -> Result<(), AadSts> {
    if published.issuer != presented.issuer {
        let why = format!(
            "The issuer '{}' of the assertion is not the issuer '{}' of the discovery document.",
            presented.issuer, published.issuer
        );
        return Err(AadSts::new("invalid_client", 700_221, &why));
    }
    if assertion.algorithm() != "RS256" {
        let why = format!(
            "Invalid JWT token. '{}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256'",
            assertion.algorithm()
        );
        return Err(AadSts::new("invalid_client", 5_002_738, &why));
    }
    let stored = published.keys.iter().take(STORED_KEYS);
    let key = assertion.key_id().and_then(|id| stored.into_iter().find(|key| key["kid"] == id));
    let key = key.ok_or_else(|| {
        let id = assertion.key_id().unwrap_or_default();
        let why = format!(
            "The key '{id}' that signed the assertion is not in the metadata of the identity provider."
        );
        AadSts::new("invalid_client", 7_000_272, &why)
    })?;
    if verifies(assertion, key) {
        return Ok(());
    }
    Err(AadSts::new("invalid_client", 700_027, "Client assertion failed signature validation."))
}
