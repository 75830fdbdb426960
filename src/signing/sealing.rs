//! Sealing: private keys rest in the database only under AES-256-GCM, bound to what they are. Public
//! halves carry an attestation under the same key, so that whoever can write to the database cannot have
//! a key of their own published.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

use crate::secret_file::{self, SecretFileError};

const KEY_BYTES: usize = 32;

/// The key under which signing keys are sealed. It has neither `Debug` nor `Display`: only its id may
/// be shown.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
    attestation: hmac::Key,
}

/// The sealing keys of this process: the first seals, every one opens.
pub struct SealingKeys {
    keys: Vec<SealingKey>,
}

#[derive(Debug, Error)]
pub enum SealingError {
    #[error("a sealing key is {KEY_BYTES} random bytes in base64 (`openssl rand -base64 {KEY_BYTES}`)")]
    Malformed,
    #[error(
        "there is no sealing key in {path}: run `runmint init` once with the same configuration, or put the file back",
        path = .0.display()
    )]
    Missing(PathBuf),
    #[error(
        "the database has signing keys sealed under a key that is not in {path}: put the file back (docs/operating.md says what to do when it is lost for good)",
        path = .0.display()
    )]
    Lost(PathBuf),
    #[error("sealing key file {path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("sealing key file {path} can be read by others (mode {mode:o}); run `chmod 600 {path}`", path = path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error(
        "signing key {kid} is sealed under sealing key {sealed_under}, but configured is {configured}: put the right sealing key back (old_sealing_key_files takes more than one), or restore the database that belongs to this one"
    )]
    WrongKey { kid: String, sealed_under: String, configured: String },
    #[error(
        "signing key {kid} does not open: its record in the database was changed or damaged; restore it from a backup"
    )]
    Damaged { kid: String },
}

/// A key that is sealed: the sealing key's id, a dot, base64 of nonce ‖ ciphertext ‖ tag.
fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.split_once('.')
}

/// The id of the sealing key that `sealed` is under.
pub fn sealed_under(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(id, _)| id)
}

impl SealingKeys {
    /// `primary` seals; `others` are there to open what was sealed before.
    pub fn new(primary: SealingKey, others: Vec<SealingKey>) -> Self {
        let mut keys = vec![primary];
        keys.extend(others);
        Self { keys }
    }

    pub fn primary(&self) -> &SealingKey {
        &self.keys[0]
    }

    /// All of them, the sealing one first.
    pub fn all(&self) -> impl Iterator<Item = &SealingKey> {
        self.keys.iter()
    }

    /// The ids of all, the sealing one first.
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().map(SealingKey::id).collect()
    }

    pub fn open(&self, sealed: &str, of: &Purpose<'_>) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let damaged = || SealingError::Damaged { kid: of.kid.to_owned() };
        let under = sealed_under(sealed).ok_or_else(damaged)?;
        match self.keys.iter().find(|key| key.id == under) {
            Some(key) => key.open(sealed, of),
            None => Err(SealingError::WrongKey {
                kid: of.kid.to_owned(),
                sealed_under: under.to_owned(),
                configured: self.ids().join(", "),
            }),
        }
    }

    /// Whether one of these keys made `attestation` for `content`.
    pub fn attests(&self, content: &[u8], attestation: &str) -> bool {
        self.keys.iter().any(|key| key.attests(content, attestation))
    }
}

impl SealingKey {
    /// From base64 of 32 bytes, white space around it allowed.
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| SealingError::Malformed)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealingError::Malformed)?;
        // Domain-separated, so that the id tells nothing that any other use of the key could.
        let id = digest(&SHA256, &[b"runmint sealing key id\0".as_slice(), &bytes].concat());
        let id = hex::encode(&id.as_ref()[..6]);
        // A key of its own for each use.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"runmint attestation v1");
        let attestation = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        Ok(Self { id, key: LessSafeKey::new(key), attestation })
    }

    pub fn from_file(path: &Path) -> Result<Self, SealingError> {
        let path = path.to_owned();
        match secret_file::read(&path) {
            Ok(text) => Self::parse(&text),
            Err(SecretFileError::OpenToOthers { mode }) => Err(SealingError::Readable { path, mode }),
            Err(SecretFileError::Unreadable(source)) if source.kind() == io::ErrorKind::NotFound => {
                Err(SealingError::Missing(path))
            }
            Err(SecretFileError::Unreadable(source)) => Err(SealingError::File { path, source }),
        }
    }

    /// Reads the file, or makes it with a fresh key when there is none. Processes may race: the one
    /// that is first decides, the others read what it wrote.
    pub fn from_file_or_new(path: &Path, entropy: &dyn Entropy) -> Result<Self, SealingError> {
        if path.exists() {
            return Self::from_file(path);
        }
        let fault = |source| SealingError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut());
        let text = Zeroizing::new(STANDARD.encode(bytes.as_ref()) + "\n");
        let mut suffix = [0; 8];
        entropy.fill(&mut suffix);
        let draft = path.with_extension(format!("{:016x}.draft", u64::from_le_bytes(suffix)));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            // A hard link never replaces: unlike a rename it cannot destroy a key made meanwhile.
            .and_then(|()| match fs::hard_link(&draft, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
        let removed = fs::remove_file(&draft);
        written.and(removed).map_err(fault)?;
        Self::from_file(path)
    }

    /// A short fingerprint, safe to show.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn seal(&self, plain: &[u8], of: &Purpose<'_>, entropy: &dyn Entropy) -> String {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(of.bytes()), &mut sealed)
            .expect("a key of a few kilobytes is within AES-GCM's limit");
        format!("{}.{}", self.id, STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// A proof that whoever holds this sealing key vouches for `content`.
    pub fn attest(&self, content: &[u8]) -> String {
        STANDARD.encode(hmac::sign(&self.attestation, content))
    }

    /// Bytes that nobody can make without this sealing key, the same ones for the same `content`.
    pub fn derive(&self, content: &[u8]) -> Derived {
        let mut context = hmac::Context::with_key(&self.attestation);
        context.update(b"runmint/derived/v1\0");
        context.update(content);
        let key = hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref());
        Derived { key, block: AtomicU64::new(0) }
    }

    fn attests(&self, content: &[u8], attestation: &str) -> bool {
        STANDARD.decode(attestation).is_ok_and(|tag| hmac::verify(&self.attestation, content, &tag).is_ok())
    }

    fn open(&self, sealed: &str, of: &Purpose<'_>) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let damaged = || SealingError::Damaged { kid: of.kid.to_owned() };
        let (_, text) = parts(sealed).ok_or_else(damaged)?;
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| damaged())?);
        if bytes.len() < NONCE_LEN {
            return Err(damaged());
        }
        let nonce: [u8; NONCE_LEN] = bytes[..NONCE_LEN].try_into().expect("just measured");
        let plain = self
            .key
            .open_within(Nonce::assume_unique_for_key(nonce), Aad::from(of.bytes()), &mut bytes, NONCE_LEN..)
            .map_err(|_| damaged())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

/// HMAC-SHA-256 of a counter, block by block (NIST SP 800-108r1 §4.1).
pub struct Derived {
    key: hmac::Key,
    block: AtomicU64,
}

impl Entropy for Derived {
    fn fill(&self, dest: &mut [u8]) {
        for part in dest.chunks_mut(32) {
            let number = self.block.fetch_add(1, Ordering::Relaxed);
            let block = hmac::sign(&self.key, &number.to_be_bytes());
            part.copy_from_slice(&block.as_ref()[..part.len()]);
        }
    }
}

/// What a sealed key is for. As associated data it keeps one row's key from opening in another row.
pub struct Purpose<'a> {
    pub kid: &'a str,
    pub algorithm: &'a str,
}

impl Purpose<'_> {
    fn bytes(&self) -> Vec<u8> {
        format!("runmint/signing-key/v1\0{}\0{}", self.algorithm, self.kid).into_bytes()
    }
}

#[cfg(test)]
mod tests {
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
    fn every_changed_bit_and_every_cut_is_noticed() {
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
        for (content, attestation) in
            [(&b"contenu"[..], made.as_str()), (b"content", ""), (b"content", "AAAA")]
        {
            assert!(!keys().attests(content, attestation));
        }
    }

    #[test]
    fn the_file_is_private_made_once_and_refused_when_readable() {
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
}
