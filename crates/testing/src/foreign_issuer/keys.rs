use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use runmint::trust::token::Algorithm;
use serde_json::{Value, json};

/// A key pair and its key id.
#[derive(Clone)]
pub struct ForeignKey {
    pub id: String,
    pub algorithm: Algorithm,
    pair: Pair,
}

#[derive(Clone)]
enum Pair {
    Rsa(&'static RsaKeyPair),
    Ecdsa(Arc<EcdsaKeyPair>),
    Ed25519(Arc<Ed25519KeyPair>),
}

const RSA_KEYS: usize = 4;

impl ForeignKey {
    /// A key for `algorithm`. Generating an RSA key takes a while, so there are only a few: `number` chooses
    /// one.
    pub fn new(id: &str, algorithm: Algorithm, number: usize) -> Self {
        static RSA: [OnceLock<RsaKeyPair>; RSA_KEYS] = [const { OnceLock::new() }; RSA_KEYS];
        let ecdsa = |curve: &'static EcdsaSigningAlgorithm| {
            Pair::Ecdsa(EcdsaKeyPair::generate(curve).unwrap().into())
        };
        let pair = match algorithm {
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().unwrap().into()),
            _ => Pair::Rsa(RSA[number].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        };
        Self { id: id.to_owned(), algorithm, pair }
    }

    pub fn es256(id: &str) -> Self {
        Self::new(id, Algorithm::Es256, 0)
    }

    pub fn rs256(id: &str, number: usize) -> Self {
        Self::new(id, Algorithm::Rs256, number)
    }

    /// The same key under another id.
    pub fn called(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(key) => {
                let n = key.public_key().modulus().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": encode(n), "e": "AQAB"})
            }
            Pair::Ecdsa(key) => {
                let curve = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        (jwk["kid"], jwk["use"], jwk["alg"]) = (json!(self.id), json!("sig"), json!(self.algorithm.name()));
        jwk
    }

    /// The public key as `SubjectPublicKeyInfo` or `RSAPublicKey`, whichever the library provides.
    pub fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(key) => key.public_key().as_ref().to_vec(),
            Pair::Ecdsa(key) => key.public_key().as_ref().to_vec(),
            Pair::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm.name(), "kid": self.id, "typ": "JWT"})
    }

    /// A token as an honest issuer makes it.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// Signed by this key's algorithm, whatever the header says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.signed(&signing_input(&header.to_string(), &claims.to_string()))
    }

    pub fn signed(&self, input: &str) -> String {
        format!("{input}.{}", encode(self.sign(self.algorithm, input.as_bytes())))
    }

    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ecdsa(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

pub fn key_set(keys: &[&ForeignKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

pub fn signing_input(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
