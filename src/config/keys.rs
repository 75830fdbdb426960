//! Settings of the signing keys: how they follow one another, what they sign, and where they live.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use zeroize::Zeroizing;

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

/// What Azure's federated credentials are asked for with, in its clouds for everybody, for the government of
/// the United States and for China; Entra takes RS256 alone.
pub const ENTRA_AUDIENCES: [&str; 3] =
    ["api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"];

/// How the signing keys are kept, used and replaced. No `Debug`: it may hold secrets.
#[derive(Clone)]
pub struct KeySettings {
    /// Seals; the others only open what was sealed before.
    pub sealing_key: SealingKeySource,
    pub old_sealing_keys: Vec<SealingKeySource>,
    pub rotation: RotationPolicy,
    pub algorithms: AlgorithmChoice,
    pub rsa_bits: RsaBits,
    /// Where new keys are made.
    pub key_store: KeyStoreChoice,
    pub pkcs11: Option<Pkcs11Source>,
    pub aws_kms: AwsKmsSource,
    /// Static copies that every change is written to.
    pub publish_to: Vec<String>,
    /// `AWS_*`, `GOOGLE_*` and `AZURE_*` variables, for them.
    pub object_store_environment: Vec<(String, String)>,
}

#[derive(Clone)]
pub enum SealingKeySource {
    File(PathBuf),
    /// base64, from the environment.
    Inline(Zeroizing<String>),
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
    Inline(Zeroizing<String>),
}

#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsKmsSource {
    pub endpoint: Option<String>,
    pub region: Option<String>,
}

/// What an audience's tokens are signed with.
#[derive(Clone, Debug, Default)]
pub struct AlgorithmChoice(HashMap<String, SigningAlgorithm>);

impl AlgorithmChoice {
    /// `of_the_organization` where the configuration says nothing of the audience.
    pub fn choose(&self, audience: &str, of_the_organization: SigningAlgorithm) -> SigningAlgorithm {
        match self.0.get(audience) {
            Some(algorithm) => *algorithm,
            None if Self::is_of_entra(audience) => SigningAlgorithm::Rs256,
            None => of_the_organization,
        }
    }

    /// Whether Microsoft Entra reads tokens for it, which verifies RS256 alone whatever anybody says.
    pub fn is_of_entra(audience: &str) -> bool {
        ENTRA_AUDIENCES.contains(&audience)
    }

    /// Whether some audience has it.
    pub fn mentions(&self, algorithm: SigningAlgorithm) -> bool {
        self.0.values().any(|one| *one == algorithm)
    }
}

/// Secrets that only the environment or files hold.
#[derive(Default)]
pub(super) struct KeySecrets {
    pub(super) sealing_key: Option<Zeroizing<String>>,
    pub(super) old_sealing_keys: Option<Zeroizing<String>>,
    pub(super) pkcs11_pin: Option<Zeroizing<String>>,
    /// From a test: everything that takes time takes this part of it.
    pub(super) time_scale: Option<String>,
    pub(super) of_object_stores: Vec<(String, String)>,
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
        return Err(value_error("key_store", "is pkcs11, so set pkcs11_module and pkcs11_token_label, too"));
    }
    let in_files = list(&raw.old_sealing_key_files).map(|path| SealingKeySource::File(path.into()));
    let in_environment = secrets.old_sealing_keys.iter().flat_map(|text| list(text));
    let in_environment = in_environment.map(|text| SealingKeySource::Inline(Zeroizing::new(text.to_owned())));
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
            .ok_or_else(|| value_error("rsa_bits", "is 2048, 3072 or 4096"))?,
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
    let timing = Timing::faster(divisor.ok_or_else(|| refused("is 1 to 1000"))?);
    // It lowers every floor, and caches of real verifiers live as long as ever.
    if timing.is_faster() && !issuer.is_loopback() {
        return Err(refused(
            "is for tests, with an issuer on loopback (127.0.0.1, [::1] or localhost): unset it",
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
            // In whole seconds, rounded up: what is written there passes.
            let seconds = (error.floor.as_millis() + 999) / 1_000;
            let floor = TextDuration(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
            Err(value_error(error.setting, &format!("is at least {floor}: {}", error.why)))
        }
    }
}

fn algorithms(raw: &Raw) -> Result<AlgorithmChoice, ConfigError> {
    let mut by_audience = HashMap::new();
    for (audience, text) in &raw.algorithms {
        let setting = format!("algorithms.{audience}");
        Audience::parse(audience).map_err(|error| value_error(&setting, &error))?;
        let algorithm =
            SigningAlgorithm::parse(text).ok_or_else(|| value_error(&setting, "is RS256 or ES256"))?;
        if ENTRA_AUDIENCES.contains(&audience.as_str()) && algorithm != SigningAlgorithm::Rs256 {
            return Err(value_error(&setting, "is RS256: Microsoft Entra verifies nothing else"));
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
        _ => Err(value_error("key_store", "is database, pkcs11 or aws-kms")),
    }
}

fn pkcs11(raw: &Raw, pin: Option<Zeroizing<String>>) -> Result<Option<Pkcs11Source>, ConfigError> {
    let (module, token_label) = match (&raw.pkcs11_module, &raw.pkcs11_token_label) {
        (None, None) => return Ok(None),
        (Some(module), Some(label)) => (module.clone(), label.clone()),
        _ => {
            return Err(value_error(
                "pkcs11_module",
                "and pkcs11_token_label belong together: set both or neither",
            ));
        }
    };
    let pin = match (pin, &raw.pkcs11_pin_file) {
        (Some(pin), _) => PinSource::Inline(pin),
        (None, Some(path)) => PinSource::File(path.clone()),
        (None, None) => {
            return Err(value_error(
                "pkcs11_pin_file",
                "or RUNMINT_PKCS11_PIN is needed to log in to the token",
            ));
        }
    };
    Ok(Some(Pkcs11Source { module, token_label, pin }))
}

/// The entries of a list in one text.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
