//! Private keys on a PKCS #11 token: a hardware security module, or software that behaves like one.

mod failure;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;

use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use jsonwebtoken::jwk::Jwk;
use secrecy::SecretString;

use crate::entropy::{Entropy, SystemEntropy};

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::encodings;
use crate::signing::generate::RsaBits;
use crate::signing::key_store::{KeyStore, KeyStoreError, NewKey, StoredKey};
use crate::signing::pkcs11::failure::STORE;
use crate::signing::pkcs11::sessions::Sessions;
use crate::signing::signer::{Pace, Signer, SigningError};

/// The label under which other tools list the keys.
const LABEL: &[u8] = b"runmint";
/// A reference is this prefix and `CKA_ID` in hexadecimal.
const REFERENCE: &str = "pkcs11:id=";
const ID_BYTES: usize = 16;
/// 65537.
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// No `Debug`: it holds a secret.
pub struct Pkcs11Settings {
    /// The shared library from the vendor of the token.
    pub module: PathBuf,
    pub token_label: String,
    pub pin: SecretString,
    pub rsa_bits: RsaBits,
}

/// Keys on one PKCS #11 token.
pub struct Pkcs11Keys {
    sessions: Arc<Sessions>,
    rsa_hashing: Option<RsaHashing>,
    rsa_bits: RsaBits,
}

/// Which side hashes the input of an RSA signature.
#[derive(Clone, Copy)]
enum RsaHashing {
    Token,
    /// Tokens without CKM_SHA256_RSA_PKCS.
    Ourselves,
}

impl Pkcs11Keys {
    /// Loads the module, finds the token and logs in.
    pub fn open(settings: Pkcs11Settings) -> Result<Self, KeyStoreError> {
        let Pkcs11Settings { module, token_label, pin, rsa_bits } = settings;
        let sessions = Sessions::start(&module, token_label, pin)?;
        let mechanisms = sessions.mechanisms()?;
        let rsa_hashing = [
            (MechanismType::SHA256_RSA_PKCS, RsaHashing::Token),
            (MechanismType::RSA_PKCS, RsaHashing::Ourselves),
        ];
        let rsa_hashing = rsa_hashing.into_iter().find(|(mechanism, _)| mechanisms.contains(mechanism));
        Ok(Self {
            sessions: Arc::new(sessions),
            rsa_hashing: rsa_hashing.map(|(_, hashing)| hashing),
            rsa_bits,
        })
    }

    fn scheme(&self, algorithm: SigningAlgorithm) -> Result<Scheme, KeyStoreError> {
        match algorithm {
            SigningAlgorithm::Rs256 => self.rsa_hashing.map(Scheme::Rsa).ok_or_else(|| {
                let why = "the token has neither CKM_SHA256_RSA_PKCS nor CKM_RSA_PKCS".to_owned();
                KeyStoreError::Refused { store: STORE, why }
            }),
            SigningAlgorithm::Es256 => Ok(Scheme::P256),
        }
    }
}

impl KeyStore for Pkcs11Keys {
    fn name(&self) -> &'static str {
        STORE
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        self.scheme(algorithm)?;
        let mut id = vec![0; ID_BYTES];
        SystemEntropy::new().fill(&mut id);
        let public_jwk = self.sessions.with(|open| {
            let session = &open.session;
            let (public, private) = generate_pair(session, algorithm, self.rsa_bits, &id)?;
            let jwk = public_jwk(session, public, algorithm);
            if !matches!(jwk, Ok(Some(_))) {
                // Best effort: a leftover key is unreferenced and does no harm.
                let _ = (session.destroy_object(private), session.destroy_object(public));
            }
            jwk
        })?;
        let public_jwk = public_jwk.ok_or_else(|| {
            let why = format!("the token does not show the public key of a new key for {algorithm}");
            KeyStoreError::Refused { store: STORE, why }
        })?;
        Ok(NewKey { public_jwk, private_key: format!("{REFERENCE}{}", hex::encode(&id)) })
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        let no_such_key = || KeyStoreError::NoSuchKey {
            store: STORE,
            kid: stored.kid.to_owned(),
            private_key: stored.private_key.to_owned(),
        };
        let id = id_of(stored).ok_or_else(no_such_key)?;
        let scheme = self.scheme(stored.algorithm)?;
        self.sessions.with(|open| open.find_private_key(&id))?.ok_or_else(no_such_key)?;
        Ok(Box::new(Pkcs11Signer { sessions: Arc::clone(&self.sessions), id, scheme }))
    }

    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        // No key was ever created with another form of reference.
        let Some(id) = id_of(stored) else { return Ok(()) };
        self.sessions.with(|open| {
            // The private half first: if interrupted, the rest cannot sign.
            for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                for object in open.find(class, &id)? {
                    open.session.destroy_object(object)?;
                }
            }
            Ok(())
        })?;
        self.sessions.forget(&id);
        Ok(())
    }
}

struct Pkcs11Signer {
    sessions: Arc<Sessions>,
    id: Vec<u8>,
    scheme: Scheme,
}

#[derive(Clone, Copy)]
enum Scheme {
    Rsa(RsaHashing),
    P256,
}

impl Signer for Pkcs11Signer {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningError> {
        let (mechanism, data) = match self.scheme {
            Scheme::Rsa(RsaHashing::Token) => (Mechanism::Sha256RsaPkcs, input.to_vec()),
            Scheme::Rsa(RsaHashing::Ourselves) => (Mechanism::RsaPkcs, encodings::digest_info(input)),
            // The token returns R ‖ S, as JOSE requires (PKCS #11 v3.1 §6.3.1).
            Scheme::P256 => (Mechanism::Ecdsa, encodings::sha256(input)),
        };
        let signature = self.sessions.with(|open| {
            let key = open.private_key(&self.id)?;
            key.map(|key| open.session.sign(&mechanism, key, &data)).transpose()
        });
        match signature {
            Ok(Some(signature)) if matches!(self.scheme, Scheme::P256) && signature.len() != 64 => {
                Err(SigningError::Unusable(SigningAlgorithm::Es256))
            }
            Ok(Some(signature)) => Ok(signature),
            Ok(None) => {
                Err(SigningError::Failed(format!("the token no longer has key {}", hex::encode(&self.id))))
            }
            Err(error) => Err(SigningError::Failed(error.to_string())),
        }
    }

    fn pace(&self) -> Pace {
        Pace::Waits
    }
}

fn generate_pair(
    session: &Session,
    algorithm: SigningAlgorithm,
    rsa_bits: RsaBits,
    id: &[u8],
) -> cryptoki::error::Result<(ObjectHandle, ObjectHandle)> {
    let named = [Attribute::Token(true), Attribute::Label(LABEL.to_vec()), Attribute::Id(id.to_vec())];
    let (mechanism, parameters) = match algorithm {
        SigningAlgorithm::Rs256 => (
            Mechanism::RsaPkcsKeyPairGen,
            vec![
                Attribute::ModulusBits(u64::from(rsa_bits.bits()).into()),
                Attribute::PublicExponent(PUBLIC_EXPONENT.to_vec()),
            ],
        ),
        SigningAlgorithm::Es256 => {
            (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(encodings::P_256_DER.to_vec())])
        }
    };
    let public = [&named[..], &[Attribute::Private(false), Attribute::Verify(true)], &parameters].concat();
    let secret = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    session.generate_key_pair(&mechanism, &public, &[&named[..], &secret].concat())
}

/// `None` if the token returns anything other than a key for `algorithm`.
fn public_jwk(
    session: &Session,
    public: ObjectHandle,
    algorithm: SigningAlgorithm,
) -> cryptoki::error::Result<Option<Jwk>> {
    let attributes = match algorithm {
        SigningAlgorithm::Rs256 => &[AttributeType::Modulus, AttributeType::PublicExponent][..],
        SigningAlgorithm::Es256 => &[AttributeType::EcPoint],
    };
    Ok(match &session.get_attributes(public, attributes)?[..] {
        [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] => {
            Some(encodings::rs256_jwk(modulus, exponent))
        }
        [Attribute::EcPoint(point)] => encodings::es256_jwk(point),
        _ => None,
    })
}

/// `CKA_ID`.
fn id_of(stored: &StoredKey<'_>) -> Option<Vec<u8>> {
    let id = hex::decode(stored.private_key.strip_prefix(REFERENCE)?).ok()?;
    // An empty or foreign identifier must not match keys of other applications.
    (id.len() == ID_BYTES).then_some(id)
}
