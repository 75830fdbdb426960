//! Files that hold a secret: for their owner alone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

/// Far more than any secret that is kept in a file of its own.
const MAX_BYTES: u64 = 64 * 1024;

#[derive(Debug, Error)]
pub enum PrivateFileError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("others can read it (mode {mode:o}); run `chmod 600` on it")]
    OpenToOthers { mode: u32 },
}

/// The text of the file, if only its owner can read or change it.
pub fn read(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    // Opened before it is looked at: what is judged is what is read.
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::OpenToOthers { mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_is_its_owners_alone_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, "1234\n").unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read(&path).unwrap_err();
            assert!(matches!(refused, PrivateFileError::OpenToOthers { mode: found } if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(*read(&path).unwrap(), "1234\n");
    }
}
