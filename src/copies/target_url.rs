//! The address of a target, parsed.

use std::fmt;

use object_store::path::Path;
use url::Url;

use crate::copies::failure::PublishError;

pub(super) struct TargetUrl {
    text: String,
    pub(super) place: Place,
    /// The beginning of every key; for a folder, its path from the root.
    pub(super) prefix: Path,
}

pub(super) enum Place {
    Folder,
    S3 { bucket: String },
    Gcs { bucket: String },
    Azure { container: String },
}

impl TargetUrl {
    pub(super) fn parse(text: &str) -> Result<Self, PublishError> {
        let refused = |why| PublishError::Target { why };
        let url = Url::parse(text).map_err(|_| refused("is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("has a user name; credentials come from the environment"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("has a `?` or `#`; credentials and options come from the environment"));
        }
        let place = match url.scheme() {
            "file" if text.starts_with("file:///") => Place::Folder,
            "file" => return Err(refused("needs three slashes and the whole path, as in file:///srv/www")),
            "s3" => Place::S3 { bucket: bucket(&url)? },
            "gs" => Place::Gcs { bucket: bucket(&url)? },
            "az" => Place::Azure { container: bucket(&url)? },
            _ => return Err(refused("has an unknown scheme")),
        };
        let prefix = Path::from_url_path(url.path())
            .map_err(|_| refused("has a path with an empty, dotted or unprintable part"))?;
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), place, prefix })
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `$` is for `$web`, the container that Azure serves as a website.
fn bucket(url: &Url) -> Result<String, PublishError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._$".contains(c);
    match url.host_str() {
        Some(name) if !name.is_empty() && name.chars().all(plain) && url.port().is_none() => {
            Ok(name.to_owned())
        }
        _ => Err(PublishError::Target { why: "does not name a bucket or container after the two slashes" }),
    }
}
