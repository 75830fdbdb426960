//! Public keys as JWKs (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};

/// The JWK of an RSA key that signs RS256: exactly `kty`, `use`, `alg`, `kid`, `n` and `e`. AWS refuses
/// `key_ops`, Google refuses `x5c`. `kid` is the SHA-256 thumbprint (RFC 7638), so it is never reused.
pub fn rs256(modulus: &[u8], exponent: &[u8]) -> Jwk {
    let mut jwk = Jwk {
        common: common(None),
        algorithm: AlgorithmParameters::RSA(RSAKeyParameters {
            key_type: RSAKeyType::RSA,
            n: URL_SAFE_NO_PAD.encode(modulus),
            e: URL_SAFE_NO_PAD.encode(exponent),
        }),
    };
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).expect("an RSA key has a thumbprint");
    jwk.common.key_id = Some(thumbprint);
    jwk
}

/// Whether `jwk` is of the form above and `kid` is really its thumbprint.
pub fn is_rs256_named_by(jwk: &Jwk, kid: &str) -> bool {
    jwk.common == common(Some(kid.to_owned()))
        && jwk.thumbprint(ThumbprintHash::SHA256).is_ok_and(|thumbprint| thumbprint == kid)
}

fn common(key_id: Option<String>) -> CommonParameters {
    CommonParameters {
        public_key_use: Some(PublicKeyUse::Signature),
        key_algorithm: Some(KeyAlgorithm::RS256),
        key_id,
        ..CommonParameters::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of RFC 7638 §3.1.
    #[test]
    fn kid_is_the_rfc_7638_thumbprint() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = rs256(&URL_SAFE_NO_PAD.decode(n).unwrap(), &[1, 0, 1]);
        assert_eq!(
            serde_json::to_value(&jwk).unwrap(),
            json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB",
                "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            })
        );
    }
}
