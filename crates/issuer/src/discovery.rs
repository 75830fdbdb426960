//! The discovery document (OpenID Connect Discovery 1.0 §3).

use serde_json::{Value, json};

use crate::claims::COMMON_CLAIMS;
use crate::service::Services;
use crate::url::IssuerUrl;

pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
pub const JWKS_PATH: &str = "/.well-known/jwks";

/// The document for `issuer`, whose keys sign with exactly `algorithms`.
pub fn document(issuer: &IssuerUrl, algorithms: &[&str], services: &Services) -> Value {
    let mut claims = COMMON_CLAIMS.to_vec();
    claims.extend(services.claim_names());
    json!({
        "issuer": issuer.as_str(),
        "jwks_uri": format!("{issuer}{JWKS_PATH}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "scopes_supported": ["openid"],
        "claims_supported": claims,
    })
}
