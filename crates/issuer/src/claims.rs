//! The claims of an ID token (RFC 7519 §4; OpenID Connect Core 1.0 §2).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lifetime::NOT_BEFORE_BACKDATE;

/// The claims of every service's tokens, in the order of a token.
pub const COMMON_CLAIMS: &[&str] =
    &["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "org", "org_id", "run_id", "act"];

/// The claims of every token, whatever its audience.
pub const REGISTERED_CLAIMS: &[&str] = &["iss", "aud", "sub", "iat", "nbf", "exp", "jti"];

/// The payload of an ID token. Times are whole seconds since 1970 (RFC 7519 §2): AWS refuses fractions.
#[derive(Serialize)]
pub struct IdTokenClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    #[serde(flatten)]
    of_the_run: &'a Map<String, Value>,
}

/// The claims in which the tokens of a run differ.
pub struct Issuance<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub subject: &'a str,
    pub jti: Uuid,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl<'a> IdTokenClaims<'a> {
    /// The claims of one token: those of `issuance`, and those of its run.
    pub fn new(issuance: &Issuance<'a>, of_the_run: &'a Map<String, Value>) -> Self {
        Self {
            iss: issuance.issuer,
            aud: issuance.audience,
            sub: issuance.subject,
            iat: issuance.issued_at.as_second(),
            nbf: (issuance.issued_at - NOT_BEFORE_BACKDATE).as_second(),
            exp: issuance.expires_at.as_second(),
            jti: issuance.jti,
            of_the_run,
        }
    }
}

/// The subject of a trusted issuer on whose behalf a run was started.
pub struct Actor<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    pub jti: Option<&'a str>,
}

/// The claims of every token of a run, in addition to the registered ones. An actor becomes the claim `act`
/// (RFC 8693 §4.1), and `actor` unless the run has another claim of that name.
pub fn of_run(
    organization: &str,
    organization_id: Uuid,
    service_claims: Map<String, Value>,
    run_id: Uuid,
    actor: Option<&Actor<'_>>,
) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("org".into(), organization.into());
    claims.insert("org_id".into(), organization_id.to_string().into());
    claims.extend(service_claims);
    claims.insert("run_id".into(), run_id.to_string().into());
    if let Some(&Actor { issuer, subject, jti }) = actor {
        claims.entry("actor").or_insert_with(|| subject.into());
        let mut act = Map::new();
        act.insert("iss".into(), issuer.into());
        act.insert("sub".into(), subject.into());
        act.extend(jti.map(|jti| ("jti".to_owned(), jti.into())));
        claims.insert("act".into(), act.into());
    }
    claims
}
