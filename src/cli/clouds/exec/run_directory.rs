//! A folder of one run, for its user alone, gone when the run is over; and what killed predecessors left.
//!
//! Beside each folder lies a lock file of the same name, locked for as long as its process lives: the system lets go
//! of a lock however a process ends. A file whose lock can be had belongs to nobody any more.

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
    /// Sweeps up first.
    pub(super) fn create() -> Result<Self, Failure> {
        let base = base_folder()?;
        let fault = |error: io::Error| Failure::failed(format!("{}: {error}", base.display()));
        sweep(&base).map_err(fault)?;
        let entropy = SystemEntropy::new();
        let create = || Self::create_in(&base, uuid_at(SystemClock.now(), &entropy));
        // Somebody sweeping up may take a lock file for a leftover before it is locked.
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
            return Err(io::Error::other("another start swept it up"));
        }
        Ok(Self { path, lock_path, _lock: lock })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file for its owner alone, under another name first: a reader finds the old text or the new one. What
    /// is written has no line break at its end, since most clients would send it along.
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
        // What cannot be removed now, the next start removes.
        if fs::remove_dir_all(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// `$XDG_RUNTIME_DIR/runmint`, which is in memory and goes with the login; or else a folder of this user among the
/// temporary ones.
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

/// The folder, made if it is not there. In a place where anybody may make folders, somebody may have been first.
fn private_folder(parent: &Path, name: &str, user: u32) -> Result<PathBuf, Failure> {
    let fault = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::failed(format!("{}: {why}; set XDG_RUNTIME_DIR or TMPDIR to another folder", path.display()))
    };
    let parent = parent.canonicalize().map_err(|error| fault(parent, &error))?;
    let about = parent.metadata().map_err(|error| fault(&parent, &error))?;
    let (sticky, others_write) = (about.mode() & 0o1000 != 0, about.mode() & 0o022 != 0);
    if !matches!(about.uid(), 0) && about.uid() != user || others_write && !sticky {
        return Err(fault(&parent, &"others could replace what is in it"));
    }
    let folder = parent.join(name);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fault(&folder, &error)),
        _ => {}
    }
    if is_private(&folder, user) {
        Ok(folder)
    } else {
        Err(fault(&folder, &"it is no folder for you alone (a link, somebody else's, or open to others)"))
    }
}

fn is_private(folder: &Path, user: u32) -> bool {
    // Not followed: a link may point anywhere, and elsewhere in a moment.
    let about = fs::symlink_metadata(folder);
    about.is_ok_and(|about| {
        about.is_dir() && about.uid() == user && about.mode() & 0o777 == about.mode() & 0o700
    })
}

/// Removes what belongs to no living process.
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

/// What cannot be removed stays for the next start: sweeping up must keep nobody from working.
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
    fn what_is_written_is_for_its_owner_alone_whole_and_without_a_line_break() {
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
    fn the_dead_are_swept_up_and_the_living_are_not() {
        let base = tempfile::tempdir().unwrap();
        let living = RunDirectory::create_in(base.path(), id(1)).unwrap();
        // As after a kill: the file is there, the lock is not held.
        let dead = base.path().join(id(2).to_string());
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("aws.jwt"), "token").unwrap();
        fs::write(base.path().join(format!("{}{LOCK_SUFFIX}", id(2))), "").unwrap();
        // Nothing of ours.
        fs::write(base.path().join("other.lock"), "").unwrap();
        sweep(base.path()).unwrap();
        let living_names = [format!("{}", id(1)), format!("{}{LOCK_SUFFIX}", id(1)), "other.lock".into()];
        assert_eq!(names(base.path()), living_names);
        drop(living);
    }

    #[test]
    fn a_folder_that_somebody_prepared_is_refused() {
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
        assert!(private_folder(parent, "new", user() + 1).is_err(), "it is somebody else's");

        fs::set_permissions(parent, Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(parent, "new", user()).is_err(), "anybody may rename it");
        fs::set_permissions(parent, Permissions::from_mode(0o1777)).unwrap();
        assert!(private_folder(parent, "new", user()).is_ok(), "as in /tmp");
    }
}
