//! The operations of a store: read a whole object, replace a whole object.

use object_store::aws::AmazonS3;
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attributes, Error, GetOptions, ObjectStore, PutOptions, PutPayload};

use crate::copies::headers::Headers;

pub(super) struct Store {
    pub(super) kind: Kind,
    /// False if the settings ask for unsigned requests, which need no credentials.
    pub(super) signs: bool,
}

pub(super) enum Kind {
    Folder(LocalFileSystem),
    S3(AmazonS3),
    Gcs(GoogleCloudStorage),
    Azure(MicrosoftAzure),
}

/// An object as read.
pub(super) struct Stored {
    pub(super) body: Body,
    /// `None` if the store keeps none.
    pub(super) headers: Option<Attributes>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Body {
    Same,
    Other,
}

impl Store {
    /// Gets credentials, so that a failure to get them is not mistaken for a failure of the store. The store
    /// caches them until they expire.
    pub(super) async fn authenticate(&self) -> Result<(), Error> {
        match &self.kind {
            _ if !self.signs => Ok(()),
            Kind::Folder(_) => Ok(()),
            Kind::S3(store) => store.credentials().get_credential().await.map(drop),
            Kind::Gcs(store) => store.credentials().get_credential().await.map(drop),
            Kind::Azure(store) => store.credentials().get_credential().await.map(drop),
        }
    }

    /// Compares the object at `key` with `expected`. A body of another length is not fetched: it could be
    /// huge.
    pub(super) async fn read(
        &self,
        key: &Path,
        version: Option<String>,
        expected: &[u8],
    ) -> Result<Stored, Error> {
        let found = self.objects().get_opts(key, GetOptions { version, ..GetOptions::default() }).await?;
        let headers = self.keeps_headers().then(|| found.attributes.clone());
        if found.meta.size != expected.len() as u64 {
            return Ok(Stored { body: Body::Other, headers });
        }
        let body = if found.bytes().await? == expected { Body::Same } else { Body::Other };
        Ok(Stored { body, headers })
    }

    /// Returns the version to read back if caches could still hold an older one.
    pub(super) async fn write(
        &self,
        key: &Path,
        body: &[u8],
        headers: &Headers,
    ) -> Result<Option<String>, Error> {
        let attributes = if self.keeps_headers() { headers.attributes() } else { Attributes::new() };
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = self.objects().put_opts(key, PutPayload::from(body.to_vec()), options).await?;
        // Google also answers readers with credentials from its cache of public objects. On S3, reading a
        // version needs another permission than reading the object.
        Ok(put.version.filter(|_| matches!(self.kind, Kind::Gcs(_))))
    }

    fn keeps_headers(&self) -> bool {
        !matches!(self.kind, Kind::Folder(_))
    }

    fn objects(&self) -> &dyn ObjectStore {
        match &self.kind {
            Kind::Folder(store) => store,
            Kind::S3(store) => store,
            Kind::Gcs(store) => store,
            Kind::Azure(store) => store,
        }
    }
}
