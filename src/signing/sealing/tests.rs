use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::purpose::parts;
use super::*;
use crate::entropy::SystemEntropy;

fn key() -> SealingKey {
    SealingKey::parse(&STANDARD.encode([7; 32])).unwrap()
}

const OF: Purpose<'static> = Purpose { kid: "k1", algorithm: "RS256" };

fn keys() -> SealingKeys {
    SealingKeys::new(key(), Vec::new())
}

fn other() -> SealingKey {
    SealingKey::parse(&STANDARD.encode([8; 32])).unwrap()
}

#[test]
fn opens_only_what_it_sealed_for_the_same_purpose() {
    let sealed = key().seal(b"secret", &OF, &SystemEntropy::new());
    assert_eq!(keys().open(&sealed, &OF).unwrap().as_slice(), b"secret");

    let other_row = Purpose { kid: "k2", algorithm: "RS256" };
    assert!(matches!(keys().open(&sealed, &other_row), Err(SealingError::Damaged { .. })));
    let other_algorithm = Purpose { kid: "k1", algorithm: "ES256" };
    assert!(matches!(keys().open(&sealed, &other_algorithm), Err(SealingError::Damaged { .. })));
    let stranger = SealingKeys::new(other(), Vec::new());
    assert!(matches!(stranger.open(&sealed, &OF), Err(SealingError::WrongKey { .. })));
    let both = SealingKeys::new(other(), vec![key()]);
    assert_eq!(both.open(&sealed, &OF).unwrap().as_slice(), b"secret");
    assert_eq!(both.primary().id(), other().id());
}

#[test]
fn refuses_any_changed_bit_and_any_truncation() {
    let sealed = key().seal(b"secret", &OF, &SystemEntropy::new());
    let bytes = STANDARD.decode(parts(&sealed).unwrap().1).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let cut = bytes[..index].to_vec();
        for text in [STANDARD.encode(changed), STANDARD.encode(cut)] {
            let sealed = format!("{}.{text}", key().id());
            assert!(matches!(keys().open(&sealed, &OF), Err(SealingError::Damaged { .. })), "{index}");
        }
    }
    assert!(matches!(keys().open("no dot", &OF), Err(SealingError::Damaged { .. })));
}

#[test]
fn the_same_key_sealed_twice_looks_different() {
    let entropy = SystemEntropy::new();
    assert_ne!(key().seal(b"x", &OF, &entropy), key().seal(b"x", &OF, &entropy));
}

#[test]
fn an_attestation_is_for_one_content_by_one_key() {
    let made = key().attest(b"content");
    assert!(keys().attests(b"content", &made));
    assert!(SealingKeys::new(other(), vec![key()]).attests(b"content", &made));
    assert!(!SealingKeys::new(other(), Vec::new()).attests(b"content", &made));
    for (content, attestation) in [(&b"contenu"[..], made.as_str()), (b"content", ""), (b"content", "AAAA")] {
        assert!(!keys().attests(content, attestation));
    }
}

#[test]
fn a_key_file_is_private_created_once_and_refused_if_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/sealing.key");
    let entropy = SystemEntropy::new();
    let made = SealingKey::from_file_or_new(&path, &entropy).unwrap();
    let again = SealingKey::from_file_or_new(&path, &entropy).unwrap();
    assert_eq!(made.id(), again.id());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(SealingKey::from_file(&path), Err(SealingError::Readable { mode: 0o640, .. })));
}

#[test]
fn refuses_keys_of_another_size() {
    for text in ["", "x", &STANDARD.encode([0; 16]), &STANDARD.encode([0; 33])] {
        assert!(matches!(SealingKey::parse(text), Err(SealingError::Malformed)));
    }
}
