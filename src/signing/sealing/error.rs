//! Errors of sealing keys and of sealed signing keys.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The length of a sealing key (AES-256).
pub(super) const KEY_BYTES: usize = 32;

/// A sealing key could not be read, or a signing key could not be opened.
#[derive(Debug, Error)]
pub enum SealingError {
    #[error(
        "the sealing key is not {KEY_BYTES} bytes in base64; create one with `openssl rand -base64 {KEY_BYTES}`"
    )]
    Malformed,
    #[error(
        "sealing key file {path} does not exist: run `runmint init` once with the same configuration, or put the file back",
        path = .0.display()
    )]
    Missing(PathBuf),
    #[error(
        "the database holds signing keys that are sealed under a key missing from {path}: put the file back (docs/operating.md says what to do if it is lost for good)",
        path = .0.display()
    )]
    Lost(PathBuf),
    #[error("sealing key file {path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("sealing key file {path} is accessible to other users (mode {mode:o}); run `chmod 600 {path}`", path = path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error(
        "could not open signing key {kid}: it is sealed under sealing key {sealed_under}, and the configured ones are {configured}; put the right sealing key back (old_sealing_key_files takes more than one), or restore the database that belongs to the configured one"
    )]
    WrongKey { kid: String, sealed_under: String, configured: String },
    #[error(
        "could not open signing key {kid}: its record in the database was changed or damaged; restore it from a backup"
    )]
    Damaged { kid: String },
}
