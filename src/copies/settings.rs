//! Opens stores with the settings that the `object_store` crate documents.

use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, Error, HeaderMap, HeaderValue, RetryConfig};
use reqwest::header::CACHE_CONTROL;
use secrecy::{ExposeSecret, SecretString};

use crate::copies::failure::{PublishError, settings_problem};
use crate::copies::store::{Kind, Store};
use crate::copies::target_url::{Place, TargetUrl};
use crate::copies::variables::Variables;

const MAX_RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BACKOFF: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

/// The endpoint of managed identities in App Service and Container Apps.
const AZURE_IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

pub(super) fn open(url: &TargetUrl, environment: &[(String, SecretString)]) -> Result<Store, PublishError> {
    let variables = |prefix| Variables::parse(prefix, environment);
    let opened = match &url.place {
        Place::Folder => Ok(folder()),
        Place::S3 { bucket } => s3(bucket, &variables("AWS_")?),
        Place::Gcs { bucket } => gcs(bucket, &variables("GOOGLE_")?),
        Place::Azure { container } => {
            let identity_endpoint = environment.iter().find(|(name, _)| name == AZURE_IDENTITY_ENDPOINT);
            azure(container, &variables("AZURE_")?, identity_endpoint.map(|(_, value)| value.expose_secret()))
        }
    };
    opened.map_err(|error| PublishError::Settings {
        target: url.to_string(),
        problem: settings_problem(&error),
    })
}

/// Written files survive a loss of power.
fn folder() -> Store {
    Store { kind: Kind::Folder(LocalFileSystem::new().with_fsync(true)), signs: false }
}

fn s3(bucket: &str, variables: &Variables<'_>) -> Result<Store, Error> {
    let builder = AmazonS3Builder::new().with_client_options(client()).with_retry(retries());
    let builder = variables
        .options()
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(bucket);
    let signs = !is_true(builder.get_config_value(&AmazonS3ConfigKey::SkipSignature));
    Ok(Store { kind: Kind::S3(builder.build()?), signs })
}

fn gcs(bucket: &str, variables: &Variables<'_>) -> Result<Store, Error> {
    // Without this Google may answer for public objects from a cache.
    let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
    let builder = GoogleCloudStorageBuilder::new()
        .with_client_options(client().with_default_headers(headers))
        .with_retry(retries());
    let builder = variables
        .options()
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(bucket);
    let signs = !is_true(builder.get_config_value(&GoogleConfigKey::SkipSignature));
    Ok(Store { kind: Kind::Gcs(builder.build()?), signs })
}

fn azure(
    container: &str,
    variables: &Variables<'_>,
    identity_endpoint: Option<&str>,
) -> Result<Store, Error> {
    let builder = MicrosoftAzureBuilder::new().with_client_options(client()).with_retry(retries());
    let mut builder = variables
        .options()
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
        .with_container_name(container);
    if let Some(endpoint) = identity_endpoint {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let signs = !is_true(builder.get_config_value(&AzureConfigKey::SkipSignature));
    Ok(Store { kind: Kind::Azure(builder.build()?), signs })
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value == "true")
}

fn client() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT)
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        backoff: BackoffConfig { max_backoff: MAX_BACKOFF, ..BackoffConfig::default() },
    }
}
