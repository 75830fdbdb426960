//! One public key of an issuer, read from its JWK and ready to verify (RFC 7517 §4, RFC 7518 §6).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::limits::{MAX_KEY_ID_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};

/// Members that only private and shared keys have (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A key and the algorithms that it may be used with.
pub struct VerifyingKey {
    key_id: Option<String>,
    material: Material,
    algorithms: Vec<Algorithm>,
    /// Parsed once, for the first of `algorithms`.
    prepared: ParsedPublicKey,
}

/// Why a key of a set cannot verify tokens.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UnusableKey {
    #[error("not a JSON object")]
    NotAnObject,
    #[error("`{0}` is missing or not valid")]
    Member(&'static str),
    #[error("its type, curve or algorithm is not accepted")]
    Kind,
    #[error("it is not for verifying signatures")]
    Use,
    #[error("it has a private or secret part, so every reader of the set can sign")]
    Private,
    #[error("its modulus has {0} bits; accepted are {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaBits(usize),
    #[error("its exponent is neither 3 nor 65537")]
    RsaExponent,
    #[error("its point is not on its curve, or the key is otherwise invalid")]
    Unsound,
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point, or the 32 bytes of an Ed25519 key.
    Point(Vec<u8>),
}

impl VerifyingKey {
    /// Reads one key of a set.
    ///
    /// Fails if the key has a private part, is not for signatures, is of a type that is not accepted, or is weak.
    pub fn from_jwk(jwk: &Value) -> Result<Self, UnusableKey> {
        let jwk = jwk.as_object().ok_or(UnusableKey::NotAnObject)?;
        if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(UnusableKey::Private);
        }
        let key_id = match text(jwk, "kid")? {
            Some(id) if id.len() > MAX_KEY_ID_BYTES => return Err(UnusableKey::Member("kid")),
            id => id.map(str::to_owned),
        };
        check_use(jwk)?;
        let (material, mut algorithms) = material(jwk)?;
        if let Some(own) = text(jwk, "alg")? {
            algorithms.retain(|algorithm| algorithm.name() == own);
        }
        let first = *algorithms.first().ok_or(UnusableKey::Kind)?;
        let prepared = material.prepare(first).ok_or(UnusableKey::Unsound)?;
        Ok(Self { key_id, material, algorithms, prepared })
    }

    /// `kid` (RFC 7517 §4.5).
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether type, curve and the key's own `alg` allow `algorithm` (RFC 8725 §3.1).
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether this key made `signature` over `message` by `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        if self.algorithms[0] == algorithm {
            return self.prepared.verify_sig(message, signature).is_ok();
        }
        // An RSA key without `alg`, with another algorithm than RS256: rare enough to be read again.
        self.material
            .prepare(algorithm)
            .is_some_and(|prepared| prepared.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("key_id", &self.key_id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl Material {
    fn prepare(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self, primitive(algorithm)) {
            (Self::Rsa(key), Primitive::Rsa(parameters)) => key.to_parsed_public_key(parameters).ok(),
            (Self::Point(point), Primitive::Curve(curve)) => ParsedPublicKey::new(curve, point).ok(),
            _ => None,
        }
    }
}

enum Primitive {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

/// For PS256, 384 and 512 the salt is as long as the digest (RFC 7518 §3.5). ECDSA signatures are R and S at
/// full length, one after the other (§3.4), and nothing else.
fn primitive(algorithm: Algorithm) -> Primitive {
    match algorithm {
        Algorithm::Rs256 => Primitive::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Primitive::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Primitive::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Primitive::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Primitive::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Primitive::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => Primitive::Curve(&ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Primitive::Curve(&ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => Primitive::Curve(&ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa => Primitive::Curve(&ED25519),
    }
}

/// `use` and `key_ops`, if present, must allow verifying signatures (RFC 7517 §4.2, §4.3).
fn check_use(jwk: &Map<String, Value>) -> Result<(), UnusableKey> {
    if text(jwk, "use")?.is_some_and(|used_for| used_for != "sig") {
        return Err(UnusableKey::Use);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(UnusableKey::Use),
        Some(_) => Err(UnusableKey::Member("key_ops")),
    }
}

/// The key itself, and everything that a key of its type and curve can verify.
fn material(jwk: &Map<String, Value>) -> Result<(Material, Vec<Algorithm>), UnusableKey> {
    use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    match (text(jwk, "kty")?.ok_or(UnusableKey::Member("kty"))?, text(jwk, "crv")?) {
        ("RSA", _) => Ok((rsa(jwk)?, vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512])),
        ("EC", Some("P-256")) => Ok((point(jwk, 32)?, vec![Es256])),
        ("EC", Some("P-384")) => Ok((point(jwk, 48)?, vec![Es384])),
        ("EC", Some("P-521")) => Ok((point(jwk, 66)?, vec![Es512])),
        ("OKP", Some("Ed25519")) => Ok((edwards_point(jwk)?, vec![EdDsa])),
        _ => Err(UnusableKey::Kind),
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<Material, UnusableKey> {
    let n = bytes(jwk, "n")?;
    // Some issuers write a zero byte in front, as ASN.1 does.
    let n = n[n.iter().take_while(|byte| **byte == 0).count()..].to_vec();
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(UnusableKey::RsaBits(bits));
    }
    if n.last().is_none_or(|last| last % 2 == 0) {
        return Err(UnusableKey::Unsound);
    }
    let e = bytes(jwk, "e")?;
    if !matches!(e[..], [3] | [1, 0, 1]) {
        return Err(UnusableKey::RsaExponent);
    }
    Ok(Material::Rsa(RsaPublicKeyComponents { n, e }))
}

/// An uncompressed point (SEC 1 §2.3.3). [`Material::prepare`] checks that it lies on the curve.
fn point(jwk: &Map<String, Value>, length: usize) -> Result<Material, UnusableKey> {
    let (x, y) = (coordinate(jwk, "x", length)?, coordinate(jwk, "y", length)?);
    Ok(Material::Point([&[4], x.as_slice(), &y].concat()))
}

/// Points of order 1, 2, 4 and 8, in every spelling, without the sign of x. Signatures by such a key can be forged
/// by anyone.
const SMALL_ORDER: [&[u8; 32]; 7] = [
    &[0; 32],
    b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    b"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
];

fn edwards_point(jwk: &Map<String, Value>) -> Result<Material, UnusableKey> {
    let point = coordinate(jwk, "x", 32)?;
    let mut without_sign = point.clone();
    without_sign[31] &= 0x7f;
    if SMALL_ORDER.iter().any(|small| small.as_slice() == without_sign) {
        return Err(UnusableKey::Unsound);
    }
    Ok(Material::Point(point))
}

/// Exactly as long as the curve asks (RFC 7518 §6.2.1.2, RFC 8037 §2).
fn coordinate(jwk: &Map<String, Value>, name: &'static str, length: usize) -> Result<Vec<u8>, UnusableKey> {
    let coordinate = bytes(jwk, name)?;
    if coordinate.len() == length { Ok(coordinate) } else { Err(UnusableKey::Member(name)) }
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, UnusableKey> {
    let text = text(jwk, name)?.ok_or(UnusableKey::Member(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Member(name))
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &'static str) -> Result<Option<&'j str>, UnusableKey> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(UnusableKey::Member(name)),
    }
}
