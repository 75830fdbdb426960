//! Settings of the signing keys: rotation, algorithms, and where the keys are kept.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use super::duration::TextDuration;
use super::error::{ConfigError, value_error};
use super::raw::Raw;
use super::setting::Setting;
use super::variables::TIME_SCALE_VARIABLE;
use crate::issuer::audience::Audience;
use crate::issuer::url::IssuerUrl;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::RsaBits;
use crate::signing::rotation::{RotationPolicy, Timing};

/// The audiences of Azure's federated credentials, in the public cloud, the US government cloud and the cloud
/// in China. Entra accepts only RS256.
pub const ENTRA_AUDIENCES: [&str; 3] =
    ["api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"];

/// How the signing keys are kept, used and rotated.
#[derive(Clone)]
pub struct KeySettings {
    /// It seals; the old ones only open what they sealed.
    pub sealing_key: SealingKeySource,
    pub old_sealing_keys: Vec<SealingKeySource>,
    pub rotation: RotationPolicy,
    pub algorithms: AlgorithmChoice,
    pub rsa_bits: RsaBits,
    /// Where new keys are created.
    pub key_store: KeyStoreChoice,
    pub pkcs11: Option<Pkcs11Source>,
    pub aws_kms: AwsKmsSource,
    /// Targets of static copies, written at every change.
    pub publish_to: Vec<String>,
    /// The `AWS_*`, `GOOGLE_*` and `AZURE_*` variables for these targets.
    pub object_store_environment: Vec<(String, SecretString)>,
}

#[derive(Clone)]
pub enum SealingKeySource {
    File(PathBuf),
    /// Base64, from the environment.
    Inline(SecretString),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStoreChoice {
    Database,
    Pkcs11,
    AwsKms,
}

#[derive(Clone)]
pub struct Pkcs11Source {
    pub module: PathBuf,
    pub token_label: String,
    pub pin: PinSource,
}

#[derive(Clone)]
pub enum PinSource {
    File(PathBuf),
    Inline(SecretString),
}

#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsKmsSource {
    pub endpoint: Option<String>,
    pub region: Option<String>,
}

/// The algorithm for an audience's tokens.
#[derive(Clone, Debug, Default)]
pub struct AlgorithmChoice(HashMap<String, SigningAlgorithm>);

impl AlgorithmChoice {
    /// The configured algorithm of `audience`, or `of_the_organization` if none is configured.
    pub fn choose(&self, audience: &str, of_the_organization: SigningAlgorithm) -> SigningAlgorithm {
        match self.0.get(audience) {
            Some(algorithm) => *algorithm,
            None if Self::is_of_entra(audience) => SigningAlgorithm::Rs256,
            None => of_the_organization,
        }
    }

    /// Whether Microsoft Entra verifies tokens for this audience. It accepts only RS256.
    pub fn is_of_entra(audience: &str) -> bool {
        ENTRA_AUDIENCES.contains(&audience)
    }

    /// Whether some audience uses `algorithm`.
    pub fn mentions(&self, algorithm: SigningAlgorithm) -> bool {
        self.0.values().any(|one| *one == algorithm)
    }
}

/// Secrets from the environment.
#[derive(Default)]
pub(super) struct KeySecrets {
    pub(super) sealing_key: Option<SecretString>,
    pub(super) old_sealing_keys: Option<SecretString>,
    pub(super) pkcs11_pin: Option<SecretString>,
    /// From a test: all times are divided by it.
    pub(super) time_scale: Option<String>,
    pub(super) of_object_stores: Vec<(String, SecretString)>,
}

pub(super) fn check(
    raw: &Raw,
    secrets: KeySecrets,
    timing: Timing,
    token_lifetime_max: SignedDuration,
) -> Result<KeySettings, ConfigError> {
    let key_store = key_store(&raw.key_store)?;
    let pkcs11 = pkcs11(raw, secrets.pkcs11_pin)?;
    if key_store == KeyStoreChoice::Pkcs11 && pkcs11.is_none() {
        return Err(value_error(
            "key_store",
            "pkcs11 needs pkcs11_module and pkcs11_token_label: set them, too",
        ));
    }
    let in_files = list(&raw.old_sealing_key_files).map(|path| SealingKeySource::File(path.into()));
    let in_environment = secrets.old_sealing_keys.iter().flat_map(|text| list(text.expose_secret()));
    let in_environment = in_environment.map(|text| SealingKeySource::Inline(text.into()));
    Ok(KeySettings {
        old_sealing_keys: in_files.chain(in_environment).collect(),
        sealing_key: match secrets.sealing_key {
            Some(text) => SealingKeySource::Inline(text),
            None => SealingKeySource::File(raw.sealing_key_file.clone()),
        },
        rotation: rotation(raw, timing, token_lifetime_max)?,
        algorithms: algorithms(raw)?,
        rsa_bits: RsaBits::ALL
            .into_iter()
            .find(|bits| i64::from(bits.bits()) == raw.rsa_bits)
            .ok_or_else(|| value_error("rsa_bits", "must be 2048, 3072 or 4096"))?,
        key_store,
        pkcs11,
        aws_kms: AwsKmsSource { endpoint: raw.aws_kms_endpoint.clone(), region: raw.aws_kms_region.clone() },
        publish_to: list(&raw.publish_to).map(str::to_owned).collect(),
        object_store_environment: secrets.of_object_stores,
    })
}

pub(super) fn timing(time_scale: Option<&str>, issuer: &IssuerUrl) -> Result<Timing, ConfigError> {
    let Some(text) = time_scale else { return Ok(Timing::REAL) };
    let divisor = text.parse().ok().filter(|divisor| (1..=1_000).contains(divisor));
    let refused = |why| value_error(TIME_SCALE_VARIABLE, why);
    let timing = Timing::faster(divisor.ok_or_else(|| refused("must be 1 to 1000"))?);
    // It lowers every floor, but the caches of real verifiers keep their lifetimes.
    if timing.is_faster() && !issuer.is_loopback() {
        return Err(refused(
            "is for tests with an issuer on loopback (127.0.0.1, [::1] or localhost) only: unset it",
        ));
    }
    Ok(timing)
}

fn rotation(
    raw: &Raw,
    timing: Timing,
    token_lifetime_max: SignedDuration,
) -> Result<RotationPolicy, ConfigError> {
    let usual = Setting::shown_duration("keep_published");
    let needed = timing.keep_published_floor(token_lifetime_max);
    let policy = RotationPolicy {
        rotate_every: raw.rotate_every.0,
        publish_ahead: raw.publish_ahead.0,
        keep_published: raw.keep_published.map_or(usual.max(needed), |given| given.0),
        max_key_age: raw.max_key_age.0,
        serve_stale: raw.serve_stale.0,
        timing,
    };
    match policy.check(token_lifetime_max) {
        Ok(()) => Ok(policy),
        Err(error) => {
            // In whole seconds, rounded up, so that the value in the message passes.
            let seconds = (error.floor.as_millis() + 999) / 1_000;
            let floor = TextDuration(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
            Err(value_error(error.setting, &format!("must be at least {floor}: {}", error.why)))
        }
    }
}

fn algorithms(raw: &Raw) -> Result<AlgorithmChoice, ConfigError> {
    let mut by_audience = HashMap::new();
    for (audience, text) in &raw.algorithms {
        let setting = format!("algorithms.{audience}");
        Audience::parse(audience).map_err(|error| value_error(&setting, &error))?;
        let algorithm =
            SigningAlgorithm::parse(text).ok_or_else(|| value_error(&setting, "must be RS256 or ES256"))?;
        if ENTRA_AUDIENCES.contains(&audience.as_str()) && algorithm != SigningAlgorithm::Rs256 {
            return Err(value_error(&setting, "must be RS256: Microsoft Entra verifies no other algorithm"));
        }
        by_audience.insert(audience.clone(), algorithm);
    }
    Ok(AlgorithmChoice(by_audience))
}

fn key_store(text: &str) -> Result<KeyStoreChoice, ConfigError> {
    match text {
        "database" => Ok(KeyStoreChoice::Database),
        "pkcs11" => Ok(KeyStoreChoice::Pkcs11),
        "aws-kms" => Ok(KeyStoreChoice::AwsKms),
        _ => Err(value_error("key_store", "must be database, pkcs11 or aws-kms")),
    }
}

fn pkcs11(raw: &Raw, pin: Option<SecretString>) -> Result<Option<Pkcs11Source>, ConfigError> {
    let (module, token_label) = match (&raw.pkcs11_module, &raw.pkcs11_token_label) {
        (None, None) => return Ok(None),
        (Some(module), Some(label)) => (module.clone(), label.clone()),
        _ => {
            return Err(value_error(
                "pkcs11_module",
                "must be set together with pkcs11_token_label: set both or neither",
            ));
        }
    };
    let pin = match (pin, &raw.pkcs11_pin_file) {
        (Some(pin), _) => PinSource::Inline(pin),
        (None, Some(path)) => PinSource::File(path.clone()),
        (None, None) => {
            return Err(value_error(
                "pkcs11_pin_file",
                "is missing: set it, or RUNMINT_PKCS11_PIN, to log in to the token",
            ));
        }
    };
    Ok(Some(Pkcs11Source { module, token_label, pin }))
}

/// The entries of a comma-separated list.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
