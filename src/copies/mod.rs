//! Writes the issuer's documents as objects to a bucket or folder, so that a web server or CDN can serve them
//! while the server is down. Nothing here knows the contents of a document.

mod failure;
mod headers;
pub mod known;
mod settings;
mod store;
mod target_url;
mod variables;

use std::fmt;
use std::time::Duration;

use object_store::path::Path;
use secrecy::SecretString;
use tokio::time::timeout;

pub use crate::copies::failure::PublishError;
use crate::copies::failure::{Reason, reason};
use crate::copies::headers::Headers;
use crate::copies::store::{Body, Store, Stored};
use crate::copies::target_url::TargetUrl;

/// The time for one object, from the first read to the last, with all retries.
const OBJECT_DEADLINE: Duration = Duration::from_secs(20);

/// Where objects are written: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or
/// `az://container/prefix`.
///
/// A folder keeps no headers: its web server must send `Content-Type` and `Cache-Control`.
pub struct Target {
    url: TargetUrl,
    store: Store,
}

pub struct Object {
    /// Path below the prefix of the target, such as `oidc/.well-known/jwks`. It becomes the key unchanged.
    pub path: String,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub path: String,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Written,
    /// The store already had these bytes with these headers.
    Unchanged,
}

impl Target {
    /// Credentials and options are the variables of `environment` that the `object_store` crate documents:
    /// `AWS_*`, `GOOGLE_*` and `AZURE_*`. Opens no connection yet.
    pub fn parse(url: &str, environment: &[(String, SecretString)]) -> Result<Self, PublishError> {
        let url = TargetUrl::parse(url)?;
        let store = settings::open(&url, environment)?;
        Ok(Self { url, store })
    }

    /// Writes the objects in this order, one by one, and reads each back. Stops at the first failure: a
    /// document must never refer to one that does not exist yet.
    pub async fn publish(
        &self,
        objects: &[Object],
        cache_control: &str,
    ) -> Result<Vec<Published>, PublishError> {
        let headers = Headers::json(cache_control)?;
        let keys = objects.iter().map(|object| self.key(object)).collect::<Result<Vec<_>, _>>()?;
        let mut published = Vec::with_capacity(objects.len());
        for (object, key) in objects.iter().zip(&keys) {
            let step = Step { target: self, object, key, headers: &headers };
            let outcome = timeout(OBJECT_DEADLINE, step.publish()).await.map_err(|_| step.too_late())??;
            published.push(Published { path: object.path.clone(), outcome });
        }
        Ok(published)
    }

    fn key(&self, object: &Object) -> Result<Path, PublishError> {
        let plain = Path::parse(&object.path).ok().filter(|path| path.as_ref() == object.path);
        let plain = plain.filter(|path| !path.is_root());
        let path = plain.ok_or_else(|| PublishError::Path { path: object.path.clone() })?;
        Ok(self.url.prefix.parts().chain(path.parts()).collect())
    }
}

/// The address as given. It contains no secret: `parse` refuses every part that could.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Without the store, which holds credentials.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// The writing of one object.
struct Step<'a> {
    target: &'a Target,
    object: &'a Object,
    key: &'a Path,
    headers: &'a Headers,
}

impl Step<'_> {
    async fn publish(&self) -> Result<Outcome, PublishError> {
        let store = &self.target.store;
        store.authenticate().await.map_err(|error| self.no_credentials(&error))?;
        match store.read(self.key, None, &self.object.body).await {
            Ok(stored) if self.difference(&stored).is_none() => return Ok(Outcome::Unchanged),
            // S3 does not tell a caller without permission to list the bucket that an object is missing.
            Ok(_)
            | Err(object_store::Error::NotFound { .. } | object_store::Error::PermissionDenied { .. }) => {}
            Err(error) => return Err(self.failed("reading", &error)),
        }
        let version = store
            .write(self.key, &self.object.body, self.headers)
            .await
            .map_err(|error| self.failed("writing", &error))?;
        let stored = store
            .read(self.key, version, &self.object.body)
            .await
            .map_err(|error| self.failed("reading back", &error))?;
        match self.difference(&stored) {
            None => Ok(Outcome::Written),
            Some(difference) => Err(self.altered(difference)),
        }
    }

    fn difference(&self, stored: &Stored) -> Option<&'static str> {
        if stored.body == Body::Other {
            return Some("other bytes");
        }
        stored.headers.as_ref().and_then(|found| self.headers.difference(found))
    }

    fn failed(&self, doing: &'static str, error: &object_store::Error) -> PublishError {
        let (path, target) = self.names();
        let Reason { what, advice } = reason(error);
        PublishError::Failed { doing, path, target, what, advice }
    }

    fn no_credentials(&self, error: &object_store::Error) -> PublishError {
        let (path, target) = self.names();
        PublishError::Credentials { path, target, what: reason(error).what }
    }

    fn altered(&self, difference: &'static str) -> PublishError {
        let (path, target) = self.names();
        PublishError::Altered { path, target, difference }
    }

    fn too_late(&self) -> PublishError {
        let (path, target) = self.names();
        PublishError::TooLate { path, target, seconds: OBJECT_DEADLINE.as_secs() }
    }

    fn names(&self) -> (String, String) {
        (self.object.path.clone(), self.target.to_string())
    }
}
