use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::assertion::Assertion;

/// Whether this public key made the signature, by the algorithm that the token names.
pub(crate) fn verifies(assertion: &Assertion, jwk: &Value) -> bool {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    let (signed, signature) = (assertion.signed.as_bytes(), &assertion.signature);
    let rsa = |parameters| {
        let (Some(n), Some(e)) = (member("n"), member("e")) else { return false };
        RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
    };
    let ecdsa = |curve: &str, algorithm| {
        let (Some(x), Some(y)) = (member("x"), member("y")) else { return false };
        let point = [&[4][..], &x, &y].concat();
        jwk["crv"] == curve && UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
    };
    match assertion.algorithm() {
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&RSA_PKCS1_2048_8192_SHA512),
        "ES256" => ecdsa("P-256", &ECDSA_P256_SHA256_FIXED),
        "ES384" => ecdsa("P-384", &ECDSA_P384_SHA384_FIXED),
        "ES512" => ecdsa("P-521", &ECDSA_P521_SHA512_FIXED),
        _ => false,
    }
}
