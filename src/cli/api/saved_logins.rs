//! Logins saved on this machine: a file for each server, which only its owner can read.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cli::api::server_url::ServerUrl;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::entropy::{SystemEntropy, uuid_at};
use crate::private_file::{self, PrivateFileError};

/// The file that names the server of the last login. The files of servers end in `.json`.
const CURRENT: &str = "current";
const PLAIN_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// An access token and when it expires; `None` for never.
pub(in crate::cli) struct Credential {
    pub(in crate::cli) access_token: Zeroizing<String>,
    pub(in crate::cli) expires_at: Option<Timestamp>,
}

/// The folder of logins.
pub(in crate::cli) struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    /// In `RUNMINT_HOME`, or else where the configuration of programs belongs (XDG Base Directory
    /// Specification, which passes over relative paths).
    pub(in crate::cli) fn from_environment() -> Option<Self> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = variable("RUNMINT_HOME")
            .map(PathBuf::from)
            .or_else(|| absolute("XDG_CONFIG_HOME").map(|path| path.join("runmint")))
            .or_else(|| absolute("HOME").map(|path| path.join(".config/runmint")))?;
        Some(Self { folder: home.join("credentials") })
    }

    /// The same, for commands that cannot do without.
    pub(in crate::cli) fn required() -> Result<Self, Failure> {
        Self::from_environment().ok_or_else(|| {
            Failure::usage("could not find the folder of logins: set RUNMINT_HOME, XDG_CONFIG_HOME or HOME")
        })
    }

    pub(in crate::cli) fn of(&self, server: &ServerUrl) -> Result<Option<Credential>, Failure> {
        let path = self.path(server);
        let text = match private_file::read(&path) {
            Ok(text) => text,
            Err(PrivateFileError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => {
                return Err(Failure::usage(format!(
                    "could not read the login in {}: {error}",
                    path.display()
                )));
            }
        };
        let credential = parse(&text).ok_or_else(|| {
            Failure::usage(format!(
                "could not read the login in {}: it is damaged; log in again: runmint login {server}",
                path.display()
            ))
        })?;
        Ok(Some(credential))
    }

    /// Saves the login in place of an earlier one for the same server, which becomes the current one.
    pub(in crate::cli) fn keep(&self, server: &ServerUrl, credential: &Credential) -> Result<(), Failure> {
        let stored = Stored {
            url: Some(server.as_str()),
            access_token: credential.access_token.as_str(),
            expires_at: credential.expires_at,
        };
        let text = Zeroizing::new(serde_json::to_string(&stored).map_err(Failure::failed)?);
        self.make_folder()
            .and_then(|()| self.replace(&self.path(server), &text))
            .and_then(|()| self.replace(&self.folder.join(CURRENT), server.as_str()))
            .map_err(|error| self.fault(&error))
    }

    /// Deletes a login; tells whether there was one.
    pub(in crate::cli) fn forget(&self, server: &ServerUrl) -> Result<bool, Failure> {
        let existed = remove(&self.path(server)).map_err(|error| self.fault(&error))?;
        if self.current()?.as_ref() == Some(server) {
            remove(&self.folder.join(CURRENT)).map_err(|error| self.fault(&error))?;
        }
        Ok(existed)
    }

    /// The server of the last login.
    pub(in crate::cli) fn current(&self) -> Result<Option<ServerUrl>, Failure> {
        match fs::read_to_string(self.folder.join(CURRENT)) {
            Ok(text) => ServerUrl::parse(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn path(&self, server: &ServerUrl) -> PathBuf {
        self.folder.join(format!("{}.json", utf8_percent_encode(server.as_str(), PLAIN_IN_NAMES)))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // It may exist already, with another mode.
        fs::set_permissions(&self.folder, Permissions::from_mode(0o700))
    }

    /// Writes under another name, then renames: a concurrent reader finds the old text or the new, never half of it.
    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let name = uuid_at(SystemClock.now(), &SystemEntropy::new());
        let temporary = self.folder.join(format!(".{name}"));
        let written = write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn fault(&self, error: &io::Error) -> Failure {
        Failure::failed(format!("could not use the folder of logins {}: {error}", self.folder.display()))
    }
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    /// For people.
    #[serde(default)]
    url: Option<T>,
    access_token: T,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

fn parse(text: &str) -> Option<Credential> {
    let Stored { access_token, expires_at, .. } = serde_json::from_str::<Stored<String>>(text).ok()?;
    Some(Credential { access_token: Zeroizing::new(access_token), expires_at })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Tells whether there was such a file.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(token: &str) -> Credential {
        let expires_at = Some("2026-11-21T10:00:00Z".parse().unwrap());
        Credential { access_token: Zeroizing::new(token.to_owned()), expires_at }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn each_server_has_one_file_that_only_its_owner_can_read() {
        let home = tempfile::tempdir().unwrap();
        let credentials = Credentials { folder: home.path().join("a/credentials") };
        let server = ServerUrl::parse("https://id.example.com/base").unwrap();
        let other = ServerUrl::parse("https://id.example.com").unwrap();
        assert!(credentials.of(&server).unwrap().is_none() && credentials.current().unwrap().is_none());
        for token in ["one", "two"] {
            credentials.keep(&server, &credential(token)).unwrap();
        }
        credentials.keep(&other, &credential("three")).unwrap();
        let kept = credentials.of(&server).unwrap().unwrap();
        assert_eq!((kept.access_token.as_str(), kept.expires_at), ("two", credential("").expires_at));
        assert_eq!(credentials.current().unwrap().as_ref(), Some(&other));
        assert_eq!(fs::read_dir(&credentials.folder).unwrap().count(), 3, "nothing temporary is left");
        assert_eq!((mode(&credentials.folder), mode(&credentials.path(&server))), (0o700, 0o600));
        assert!(credentials.forget(&other).unwrap() && !credentials.forget(&other).unwrap());
        assert!(credentials.current().unwrap().is_none() && credentials.of(&server).unwrap().is_some());
    }

    #[test]
    fn a_readable_or_damaged_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let credentials = Credentials { folder: home.path().to_owned() };
        let server = ServerUrl::parse("https://id.example.com").unwrap();
        credentials.keep(&server, &credential("rmat_secret")).unwrap();
        let path = credentials.path(&server);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let Err(refused) = credentials.of(&server) else { panic!("others can read it") };
        assert!(refused.to_string().contains("chmod 600") && !refused.to_string().contains("rmat_secret"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{\"access_token\": \"rmat_secret\", \"expires_at\": 5}").unwrap();
        let Err(refused) = credentials.of(&server) else { panic!("it is damaged") };
        assert!(refused.to_string().contains("damaged") && !refused.to_string().contains("rmat_secret"));
    }
}
