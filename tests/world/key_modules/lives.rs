//! Properties of the keys of every store.

use std::thread;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::jwk;
use runmint::signing::key_store::{KeyStore, KeyStoreError, NewKey, StoredKey};
use runmint::signing::signer::{Pace, SigningError};
use runmint::signing::signing_key::SigningKey;
use serde_json::{Value, json};

use crate::harness::verify;

const ISSUER: &str = "https://runmint.example.com/oidc";

/// Takes a key from its creation to its destruction, in a store that two processes opened. `modulus_bytes` is
/// for RSA keys.
pub(crate) fn a_key_lives_and_dies(
    store: &dyn KeyStore,
    same_store: &dyn KeyStore,
    algorithm: SigningAlgorithm,
    modulus_bytes: usize,
) {
    let new = store.generate(algorithm).unwrap();
    let stored = stored(&new, algorithm);
    assert!(jwk::is_named_by(&new.public_jwk, algorithm, stored.kid));

    let key = signing_key(store, &new, algorithm);
    assert_eq!(key.pace(), Pace::Waits);
    key.probe().unwrap();
    assert_signs(&key);
    let signature = store.open(&stored).unwrap().sign(b"input").unwrap();
    let signature_bytes = if algorithm == SigningAlgorithm::Rs256 { modulus_bytes } else { 64 };
    assert_eq!(signature.len(), signature_bytes);

    let again = signing_key(same_store, &new, algorithm);
    again.probe().unwrap();
    assert_signs(&again);

    // A second key is different and survives the first one's destruction below.
    let other = store.generate(algorithm).unwrap();
    assert_ne!(other.private_key, new.private_key);
    assert_ne!(other.public_jwk, new.public_jwk);

    store.destroy(&stored).unwrap();
    let gone = store.open(&stored).err().unwrap();
    assert!(matches!(gone, KeyStoreError::NoSuchKey { .. }), "{gone}");
    assert!(gone.to_string().contains(&new.private_key), "{gone}");
    assert!(matches!(key.probe(), Err(SigningError::Failed(_))));
    store.destroy(&stored).unwrap();
    same_store.destroy(&stored).unwrap();

    signing_key(same_store, &other, algorithm).probe().unwrap();
}

pub(crate) fn several_threads_sign_concurrently(store: &dyn KeyStore) {
    for algorithm in SigningAlgorithm::ALL {
        let new = store.generate(algorithm).unwrap();
        let key = signing_key(store, &new, algorithm);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10).for_each(|_| assert_signs(&key)));
            }
        });
        assert_eq!(key.take_signatures(), 80);
    }
}

pub(crate) fn signing_key(store: &dyn KeyStore, new: &NewKey, algorithm: SigningAlgorithm) -> SigningKey {
    let signer = store.open(&stored(new, algorithm)).unwrap();
    SigningKey::new(signer, algorithm, new.public_jwk.clone()).unwrap()
}

pub(crate) fn stored(new: &NewKey, algorithm: SigningAlgorithm) -> StoredKey<'_> {
    let kid = new.public_jwk.common.key_id.as_deref().unwrap();
    StoredKey { kid, algorithm, private_key: &new.private_key }
}

/// A relying party accepts a token of this key.
pub(crate) fn assert_signs(key: &SigningKey) {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000);
    let (from, to) = (now.as_second(), now.as_second() + 600);
    // Longer than a message that KMS accepts.
    let claims = json!({ "iss": ISSUER, "iat": from, "exp": to, "filler": "x".repeat(5000) });
    let token = key.sign(key.signing_input(&claims).unwrap()).unwrap();
    let keys = JwkSet { keys: vec![key.public_jwk().clone()] };
    assert_eq!(Value::Object(verify(&token, &keys, ISSUER, now).unwrap()), claims);
}
