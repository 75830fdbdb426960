//! The discovery document (OpenID Connect Discovery 1.0 §3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claims::COMMON_CLAIMS;
use crate::profile::ProfileAlgorithm;
use crate::service::Services;
use crate::url::IssuerUrl;

/// The path of the discovery document below the issuer (OpenID Connect Discovery 1.0 §4).
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// The path of the key set below the issuer.
pub const JWKS_PATH: &str = "/.well-known/jwks";

/// The part of the discovery document that verifiers need. Logins do not exist here, so neither does an
/// authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Discovery {
    pub issuer: String,
    pub jwks_uri: String,
    pub response_types_supported: Vec<String>,
    pub subject_types_supported: Vec<String>,
    /// JOSE names (RFC 7518 §3.1): here those of a profile, elsewhere any.
    #[schemars(with = "Vec<ProfileAlgorithm>")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub scopes_supported: Vec<String>,
    pub claims_supported: Vec<String>,
}

/// The document for `issuer`, whose keys sign with exactly `algorithms` (JOSE names).
pub fn document(issuer: &IssuerUrl, algorithms: &[&str], services: &Services) -> Discovery {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let mut claims = COMMON_CLAIMS.to_vec();
    claims.extend(services.claim_names());
    Discovery {
        issuer: issuer.as_str().to_owned(),
        jwks_uri: format!("{issuer}{JWKS_PATH}"),
        response_types_supported: texts(&["id_token"]),
        subject_types_supported: texts(&["public"]),
        id_token_signing_alg_values_supported: texts(algorithms),
        scopes_supported: texts(&["openid"]),
        claims_supported: texts(&claims),
    }
}
