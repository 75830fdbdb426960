//! Public keys as JWKs (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, PublicKeyUse, RSAKeyParameters, RSAKeyType, ThumbprintHash,
};

use crate::signing::algorithm::SigningAlgorithm;

/// The JWK of an RSA key for RS256 (RFC 7518 §6.3.1): exactly `kty`, `use`, `alg`, `kid`, `n` and `e`. AWS
/// refuses `key_ops`, Google refuses `x5c`. Both numbers are big-endian without leading zeros.
pub fn rs256(modulus: &[u8], exponent: &[u8]) -> Jwk {
    named(
        SigningAlgorithm::Rs256,
        AlgorithmParameters::RSA(RSAKeyParameters {
            key_type: RSAKeyType::RSA,
            n: URL_SAFE_NO_PAD.encode(modulus),
            e: URL_SAFE_NO_PAD.encode(exponent),
        }),
    )
}

/// The JWK of a P-256 key for ES256 (RFC 7518 §6.2.1): exactly `kty`, `use`, `alg`, `kid`, `crv`, `x` and
/// `y`.
pub fn es256(x: &[u8; 32], y: &[u8; 32]) -> Jwk {
    named(
        SigningAlgorithm::Es256,
        AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
            key_type: EllipticCurveKeyType::EC,
            curve: EllipticCurve::P256,
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        }),
    )
}

/// Whether `jwk` has one of the forms above for this algorithm, and `kid` is its thumbprint (RFC 7638).
pub fn is_named_by(jwk: &Jwk, algorithm: SigningAlgorithm, kid: &str) -> bool {
    let fits = matches!(
        (algorithm, &jwk.algorithm),
        (SigningAlgorithm::Rs256, AlgorithmParameters::RSA(_))
            | (
                SigningAlgorithm::Es256,
                AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                    curve: EllipticCurve::P256,
                    ..
                })
            )
    );
    fits && jwk.common == common(algorithm, Some(kid.to_owned()))
        && jwk.thumbprint(ThumbprintHash::SHA256).is_ok_and(|thumbprint| thumbprint == kid)
}

/// `kid` is the SHA-256 thumbprint (RFC 7638), so it is never reused.
fn named(algorithm: SigningAlgorithm, parameters: AlgorithmParameters) -> Jwk {
    let mut jwk = Jwk { common: common(algorithm, None), algorithm: parameters };
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).expect("RSA and P-256 keys have a thumbprint");
    jwk.common.key_id = Some(thumbprint);
    jwk
}

fn common(algorithm: SigningAlgorithm, key_id: Option<String>) -> CommonParameters {
    CommonParameters {
        public_key_use: Some(PublicKeyUse::Signature),
        key_algorithm: Some(algorithm.of_a_jwk()),
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

    /// The key of RFC 7517 Appendix A.1; its thumbprint was made by other software (`jose`, Node.js).
    #[test]
    fn a_p_256_key_has_the_members_that_verifiers_know() {
        let coordinate = |text| URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap();
        let (x, y) =
            ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        let jwk = es256(&coordinate(x), &coordinate(y));
        assert_eq!(
            serde_json::to_value(&jwk).unwrap(),
            json!({
                "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y,
                "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
            })
        );
        assert!(is_named_by(&jwk, SigningAlgorithm::Es256, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"));
        assert!(!is_named_by(&jwk, SigningAlgorithm::Rs256, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"));
    }
}
