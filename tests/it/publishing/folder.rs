//! A folder that a web server publishes.

use std::fs::{self, File};
use std::io::Read;

use secrecy::SecretString;
use tempfile::TempDir;

use runmint_testing::places::{Fetched, KEYS, Place, publish, written};

pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        // Part of the address, so it must survive URL encoding.
        self.0.path().join("our site").join(path)
    }
}

impl Place for Folder {
    fn target(&self) -> String {
        format!("file://{}/our%20site/", self.0.path().display())
    }

    fn environment(&self) -> Vec<(String, SecretString)> {
        Vec::new()
    }

    async fn fetch(&self, path: &str) -> Fetched {
        let body = fs::read_to_string(self.path(path)).unwrap();
        Fetched { body, content_type: None, cache_control: None }
    }

    async fn meddle(&self, path: &str, body: &str, _: &str) {
        fs::write(self.path(path), body).unwrap();
    }
}

#[tokio::test]
async fn a_file_is_replaced_atomically() {
    let folder = Folder::new();
    publish(&folder, &[(KEYS, "old")]).await.unwrap();
    let mut opened = File::open(folder.path(KEYS)).unwrap();
    assert_eq!(publish(&folder, &[(KEYS, "new")]).await, Ok(written(&[KEYS])));
    let mut read = String::new();
    opened.read_to_string(&mut read).unwrap();
    assert_eq!(read, "old", "whoever was reading reads on");
    let beside = fs::read_dir(folder.path("oidc/.well-known")).unwrap();
    assert_eq!(beside.count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn the_error_names_a_folder_that_cannot_be_created() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("our site"), "a file").unwrap();
    let error = publish(&folder, &[(KEYS, "{}")]).await.unwrap_err().to_string();
    let begin =
        format!("reading oidc/.well-known/jwks at {} failed: ", folder.target().trim_end_matches('/'));
    assert!(error.starts_with(&begin), "{error}");
}
