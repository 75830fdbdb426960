//! Private keys in AWS KMS. Credentials, and all that the settings do not say, come from where AWS's own
//! tools look: the environment, a profile, a web identity, or the role of the machine.
//!
//! It needs `kms:CreateKey`, `kms:TagResource`, `kms:GetPublicKey`, `kms:DescribeKey`, `kms:Sign` and
//! `kms:ScheduleKeyDeletion`.

use std::error::Error;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Region;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::describe_key::DescribeKeyError;
use aws_sdk_kms::operation::schedule_key_deletion::ScheduleKeyDeletionError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag};
use tokio::runtime::Handle;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::encodings;
use crate::signing::generate::RsaBits;
use crate::signing::key_store::{KeyStore, KeyStoreError, NewKey, StoredKey};
use crate::signing::signer::{Pace, Signer, SigningError};

const STORE: &str = "aws-kms";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const ATTEMPTS: u32 = 2;
/// A runner is waiting for the token: the library's default first pause of a second is too long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The shortest that KMS allows. Meanwhile an administrator can cancel the deletion.
const DAYS_UNTIL_DELETION: i32 = 7;

/// Where KMS is, and how long its RSA keys are.
pub struct AwsKmsSettings {
    /// The URL of KMS, if not the region's own.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub rsa_bits: RsaBits,
}

/// Keys in AWS KMS.
pub struct AwsKmsKeys {
    kms: Kms,
    rsa_bits: RsaBits,
}

impl AwsKmsKeys {
    /// Resolves the region, endpoint and credentials. Sends nothing to KMS yet. Requests run on `runtime`;
    /// the methods of this store and its signers block the calling threads until they finish.
    pub async fn connect(settings: AwsKmsSettings, runtime: Handle) -> Result<Self, KeyStoreError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE);
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).retry_config(retries);
        if let Some(region) = settings.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            let why = "no region is set: set aws_kms_region or AWS_REGION".to_owned();
            return Err(KeyStoreError::Refused { store: STORE, why });
        }
        Ok(Self { kms: Kms { client: Client::new(&config), runtime }, rsa_bits: settings.rsa_bits })
    }
}

impl KeyStore for AwsKmsKeys {
    fn name(&self) -> &'static str {
        STORE
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        let arn = self.kms.create_key(spec(algorithm, self.rsa_bits))?;
        let public_key = self.kms.public_key(&arn)?;
        let public_jwk = encodings::jwk_of_spki(&public_key, algorithm).ok_or_else(|| {
            let why = format!("the public key of {arn} is not one for {algorithm}");
            KeyStoreError::Refused { store: STORE, why }
        })?;
        Ok(NewKey { public_jwk, private_key: arn })
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        let arn = stored.private_key;
        match self.kms.state(arn)? {
            Some(KeyState::Enabled) => Ok(Box::new(KmsSigner {
                kms: self.kms.clone(),
                arn: arn.to_owned(),
                algorithm: stored.algorithm,
            })),
            Some(state) if !is_gone(&state) => {
                let why = format!("key {arn} is `{state}`, not `Enabled`");
                Err(KeyStoreError::Refused { store: STORE, why })
            }
            _ => Err(KeyStoreError::NoSuchKey {
                store: STORE,
                kid: stored.kid.to_owned(),
                private_key: arn.to_owned(),
            }),
        }
    }

    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        self.kms.schedule_deletion(stored.private_key)
    }
}

struct KmsSigner {
    kms: Kms,
    arn: String,
    algorithm: SigningAlgorithm,
}

impl Signer for KmsSigner {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signature = self
            .kms
            .sign(&self.arn, self.algorithm, input)
            .map_err(|error| SigningError::Failed(error.to_string()))?;
        match self.algorithm {
            SigningAlgorithm::Rs256 => Ok(signature),
            SigningAlgorithm::Es256 => {
                let fixed = encodings::r_and_s(&signature);
                fixed.map(Vec::from).ok_or(SigningError::Unusable(self.algorithm))
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Waits
    }
}

/// The operations in use, each blocking.
#[derive(Clone)]
struct Kms {
    client: Client,
    runtime: Handle,
}

impl Kms {
    /// The ARN of a new key. A retry may leave a second, unreferenced key.
    fn create_key(&self, spec: KeySpec) -> Result<String, KeyStoreError> {
        let tag = Tag::builder().tag_key("application").tag_value("runmint").build();
        let created = self.runtime.block_on(
            self.client
                .create_key()
                .key_usage(KeyUsageType::SignVerify)
                .key_spec(spec)
                .description("runmint: signs ID tokens")
                .tags(tag.expect("a tag of a key and a value is complete"))
                .send(),
        );
        let key = created.map_err(|error| failure("CreateKey", &error))?.key_metadata;
        key.and_then(|key| key.arn).ok_or_else(|| incomplete("CreateKey"))
    }

    fn public_key(&self, arn: &str) -> Result<Vec<u8>, KeyStoreError> {
        let answer = self.runtime.block_on(self.client.get_public_key().key_id(arn).send());
        let key = answer.map_err(|error| failure("GetPublicKey", &error))?.public_key;
        Ok(key.ok_or_else(|| incomplete("GetPublicKey"))?.into_inner())
    }

    /// `None` if the key does not exist.
    fn state(&self, arn: &str) -> Result<Option<KeyState>, KeyStoreError> {
        match self.runtime.block_on(self.client.describe_key().key_id(arn).send()) {
            Ok(answer) => {
                let state = answer.key_metadata.and_then(|key| key.key_state);
                state.map(Some).ok_or_else(|| incomplete("DescribeKey"))
            }
            Err(error) if error.as_service_error().is_some_and(DescribeKeyError::is_not_found_exception) => {
                Ok(None)
            }
            Err(error) => Err(failure("DescribeKey", &error)),
        }
    }

    fn sign(&self, arn: &str, algorithm: SigningAlgorithm, input: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let scheme = match algorithm {
            SigningAlgorithm::Rs256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
            SigningAlgorithm::Es256 => SigningAlgorithmSpec::EcdsaSha256,
        };
        // KMS could hash, but accepts at most 4096 bytes.
        let request = self.client.sign().key_id(arn).signing_algorithm(scheme);
        let request = request.message_type(MessageType::Digest).message(Blob::new(encodings::sha256(input)));
        let answer = self.runtime.block_on(request.send());
        let signature = answer.map_err(|error| failure("Sign", &error))?.signature;
        Ok(signature.ok_or_else(|| incomplete("Sign"))?.into_inner())
    }

    fn schedule_deletion(&self, arn: &str) -> Result<(), KeyStoreError> {
        let request = self.client.schedule_key_deletion().key_id(arn);
        let request = request.pending_window_in_days(DAYS_UNTIL_DELETION);
        let Err(error) = self.runtime.block_on(request.send()) else { return Ok(()) };
        match error.as_service_error() {
            Some(ScheduleKeyDeletionError::NotFoundException(_)) => Ok(()),
            Some(ScheduleKeyDeletionError::KmsInvalidStateException(_))
                if self.state(arn)?.is_none_or(|state| is_gone(&state)) =>
            {
                Ok(())
            }
            _ => Err(failure("ScheduleKeyDeletion", &error)),
        }
    }
}

fn spec(algorithm: SigningAlgorithm, rsa_bits: RsaBits) -> KeySpec {
    match (algorithm, rsa_bits) {
        (SigningAlgorithm::Rs256, RsaBits::Bits2048) => KeySpec::Rsa2048,
        (SigningAlgorithm::Rs256, RsaBits::Bits3072) => KeySpec::Rsa3072,
        (SigningAlgorithm::Rs256, RsaBits::Bits4096) => KeySpec::Rsa4096,
        (SigningAlgorithm::Es256, _) => KeySpec::EccNistP256,
    }
}

/// Whether the key will never sign again, unless an administrator cancels its deletion.
fn is_gone(state: &KeyState) -> bool {
    matches!(state, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)
}

fn incomplete(operation: &str) -> KeyStoreError {
    KeyStoreError::Refused { store: STORE, why: format!("the answer to {operation} is incomplete") }
}

/// The error with its causes. The library's errors contain no credentials.
fn failure<E>(operation: &str, error: &SdkError<E>) -> KeyStoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        let (refusal, status) = (answer.err(), answer.raw().status());
        let code = refusal.code().unwrap_or("no error code");
        let why =
            format!("{operation}: {code}: {} (status {status})", refusal.message().unwrap_or("no message"));
        // A server error is not a refusal.
        return if status.is_server_error() {
            KeyStoreError::Unreachable { store: STORE, why }
        } else {
            KeyStoreError::Refused { store: STORE, why }
        };
    }
    let mut why = format!("{operation}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        why.push_str(": ");
        why.push_str(&error.to_string());
        cause = error.source();
    }
    KeyStoreError::Unreachable { store: STORE, why }
}
