//! The private folder of one run, removed when the run ends; and the cleanup of folders that killed processes left.
//!
//! Each folder has a lock file of the same name, which its process keeps locked while it lives: the system releases the
//! lock however the process ends. If the lock can be taken, the owner has ended.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::entropy::{SystemEntropy, uuid_at};

const LOCK_SUFFIX: &str = ".lock";

pub(super) struct RunDirectory {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held, never read.
    _lock: File,
}

impl RunDirectory {
    /// Removes the folders of ended processes first.
    pub(super) fn create() -> Result<Self, Failure> {
        let base = base_folder()?;
        let fault = |error: io::Error| Failure::failed(format!("could not use {}: {error}", base.display()));
        sweep(&base).map_err(fault)?;
        let entropy = SystemEntropy::new();
        let create = || Self::create_in(&base, uuid_at(SystemClock.now(), &entropy));
        // Another process may remove the lock file in its cleanup before it is locked here.
        create().or_else(|_| create()).or_else(|_| create()).map_err(fault)
    }

    fn create_in(base: &Path, id: Uuid) -> io::Result<Self> {
        let path = base.join(id.to_string());
        let lock_path = base.join(format!("{id}{LOCK_SUFFIX}"));
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&lock_path)?;
        lock.try_lock().map_err(io::Error::from)?;
        DirBuilder::new().mode(0o700).create(&path)?;
        if !is_at(&lock, &lock_path) {
            let _ = fs::remove_dir(&path);
            return Err(io::Error::other("another process removed it during its cleanup"));
        }
        Ok(Self { path, lock_path, _lock: lock })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a private file under a temporary name and renames it: a reader finds the old text or the new one. Appends
    /// no line break, which most clients would send as part of the token.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let temporary = self.path.join(format!(".{name}.new"));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&temporary, self.path.join(name))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // The next start removes whatever is left.
        if fs::remove_dir_all(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// `$XDG_RUNTIME_DIR/runmint`, which is in memory and ends with the login session; otherwise a folder of this user in
/// `$TMPDIR` or `/tmp`.
fn base_folder() -> Result<PathBuf, Failure> {
    let of_the_login = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = rustix::process::geteuid().as_raw();
    let (parent, name) = match of_the_login {
        Some(folder) if is_private(&folder, user) => (folder, "runmint".to_owned()),
        _ => {
            let folder = variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
            (folder, format!("runmint-{user}"))
        }
    };
    private_folder(&parent, &name, user)
}

/// Creates the folder if it is missing. In a shared place such as `/tmp` another user may have created it first.
fn private_folder(parent: &Path, name: &str, user: u32) -> Result<PathBuf, Failure> {
    let fault = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::failed(format!(
            "could not use {}: {why}; set XDG_RUNTIME_DIR or TMPDIR to another folder",
            path.display()
        ))
    };
    let parent = parent.canonicalize().map_err(|error| fault(parent, &error))?;
    let about = parent.metadata().map_err(|error| fault(&parent, &error))?;
    let (sticky, others_write) = (about.mode() & 0o1000 != 0, about.mode() & 0o022 != 0);
    if !matches!(about.uid(), 0) && about.uid() != user || others_write && !sticky {
        return Err(fault(&parent, &"other users could replace its contents"));
    }
    let folder = parent.join(name);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fault(&folder, &error)),
        _ => {}
    }
    if is_private(&folder, user) {
        Ok(folder)
    } else {
        Err(fault(
            &folder,
            &"it is not a private folder (it is a link, belongs to another user, or is open to other users)",
        ))
    }
}

fn is_private(folder: &Path, user: u32) -> bool {
    // Do not follow links: their target may change at any moment.
    let about = fs::symlink_metadata(folder);
    about.is_ok_and(|about| {
        about.is_dir() && about.uid() == user && about.mode() & 0o777 == about.mode() & 0o700
    })
}

/// Removes the folders of processes that have ended.
fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(LOCK_SUFFIX)) else { continue };
        if Uuid::parse_str(id).is_ok() {
            remove_if_left_over(base, id);
        }
    }
    Ok(())
}

/// Ignores failures: cleanup must not stop the command from starting.
fn remove_if_left_over(base: &Path, id: &str) {
    let lock_path = base.join(format!("{id}{LOCK_SUFFIX}"));
    let Ok(lock) = OpenOptions::new().write(true).open(&lock_path) else { return };
    if lock.try_lock().is_err() {
        return;
    }
    let removed = fs::remove_dir_all(base.join(id));
    if removed.is_ok() || removed.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let _ = fs::remove_file(&lock_path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = || {
        let (open, named) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
        Some((open.dev(), open.ino()) == (named.dev(), named.ino()))
    };
    same() == Some(true)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn names(base: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(base)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_file_is_private_complete_and_without_a_line_break() {
        let base = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create_in(base.path(), id(1)).unwrap();
        for token in ["first", "second"] {
            directory.write("aws.jwt", token).unwrap();
            assert_eq!(fs::read_to_string(directory.path("aws.jwt")).unwrap(), token);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&directory.path("")), mode(&directory.path("aws.jwt"))), (0o700, 0o600));
        assert_eq!(names(&directory.path("")), ["aws.jwt"]);
        drop(directory);
        assert_eq!(names(base.path()), [""; 0]);
    }

    #[test]
    fn folders_of_ended_processes_are_removed_and_others_kept() {
        let base = tempfile::tempdir().unwrap();
        let living = RunDirectory::create_in(base.path(), id(1)).unwrap();
        // As after a kill: the file is there, the lock is not held.
        let dead = base.path().join(id(2).to_string());
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("aws.jwt"), "token").unwrap();
        fs::write(base.path().join(format!("{}{LOCK_SUFFIX}", id(2))), "").unwrap();
        // Not one of our locks.
        fs::write(base.path().join("other.lock"), "").unwrap();
        sweep(base.path()).unwrap();
        let living_names = [format!("{}", id(1)), format!("{}{LOCK_SUFFIX}", id(1)), "other.lock".into()];
        assert_eq!(names(base.path()), living_names);
        drop(living);
    }

    #[test]
    fn a_folder_that_another_user_prepared_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let parent = place.path();
        assert!(private_folder(parent, "mine", user()).is_ok());
        assert!(private_folder(parent, "mine", user()).is_ok(), "it may be there already");

        fs::set_permissions(parent.join("mine"), Permissions::from_mode(0o750)).unwrap();
        assert!(private_folder(parent, "mine", user()).is_err(), "the group can read it");
        fs::create_dir(parent.join("elsewhere")).unwrap();
        fs::set_permissions(parent.join("elsewhere"), Permissions::from_mode(0o700)).unwrap();
        symlink(parent.join("elsewhere"), parent.join("link")).unwrap();
        assert!(private_folder(parent, "link", user()).is_err(), "it is a link");
        fs::write(parent.join("file"), "").unwrap();
        assert!(private_folder(parent, "file", user()).is_err(), "it is a file");
        assert!(private_folder(parent, "new", user() + 1).is_err(), "it belongs to another user");

        fs::set_permissions(parent, Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(parent, "new", user()).is_err(), "any user may rename it");
        fs::set_permissions(parent, Permissions::from_mode(0o1777)).unwrap();
        assert!(private_folder(parent, "new", user()).is_ok(), "as in /tmp");
    }
}
