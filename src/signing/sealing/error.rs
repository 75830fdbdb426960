//! What can go wrong with sealing keys, and with what they sealed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// How long a sealing key is.
pub(super) const KEY_BYTES: usize = 32;

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
