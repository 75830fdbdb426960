//! Sealing keys in files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::{KEY_BYTES, SealingError};
use super::key::SealingKey;
use crate::entropy::Entropy;
use crate::private_file::{self, PrivateFileError};

impl SealingKey {
    /// Reads the file, which only its owner may be able to read.
    pub fn from_file(path: &Path) -> Result<Self, SealingError> {
        let path = path.to_owned();
        match private_file::read(&path) {
            Ok(text) => Self::parse(&text),
            Err(PrivateFileError::OpenToOthers { mode }) => Err(SealingError::Readable { path, mode }),
            Err(PrivateFileError::Unreadable(source)) if source.kind() == io::ErrorKind::NotFound => {
                Err(SealingError::Missing(path))
            }
            Err(PrivateFileError::Unreadable(source)) => Err(SealingError::File { path, source }),
        }
    }

    /// Reads the file, or creates it with a fresh key if it does not exist. Processes may race: the first one
    /// decides, the others read what it wrote.
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
            // A hard link never replaces a file: unlike a rename it cannot destroy a key created meanwhile.
            .and_then(|()| match fs::hard_link(&draft, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
        let removed = fs::remove_file(&draft);
        written.and(removed).map_err(fault)?;
        Self::from_file(path)
    }
}
