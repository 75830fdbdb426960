//! Every setting, once: its names in the file, in the environment and as a flag follow from this table.

use jiff::SignedDuration;

use super::duration::TextDuration;
use super::error::ConfigError;

pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    /// One line for `--help` and for the reference.
    pub help: &'static str,
    /// As the reference shows it; empty if there is none.
    pub default: &'static str,
    /// Whether the default in effect also depends on other settings.
    is_computed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Count,
    Switch,
}

const fn setting(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { name, kind, help, default, is_computed: false }
}

/// A setting whose default is computed in its check.
const fn computed(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Text, help, default, is_computed: true }
}

pub const SETTINGS: &[Setting] = &[
    setting("issuer", Kind::Text, "", "URL in `iss` that clouds trust, e.g. https://id.example.com/oidc"),
    computed("base_url", "issuer without /oidc", "URL at which runners and operators reach the API"),
    setting("listen", Kind::Text, "127.0.0.1:8080", "address and port to serve on"),
    setting(
        "database_url",
        Kind::Text,
        "sqlite:data/runmint.db",
        "sqlite:PATH, or postgres://USER@HOST/DATABASE",
    ),
    setting("database_connections", Kind::Count, "8", "most connections to the database"),
    setting(
        "sealing_key_file",
        Kind::Text,
        "keys/sealing.key",
        "file with the key that seals the signing keys (or set RUNMINT_SEALING_KEY to the key itself)",
    ),
    setting(
        "old_sealing_key_files",
        Kind::Text,
        "",
        "files with previous sealing keys, separated by commas; they only open what they sealed (or set RUNMINT_OLD_SEALING_KEYS)",
    ),
    setting("rotate_every", Kind::Text, "30d", "how long a signing key signs"),
    setting("publish_ahead", Kind::Text, "24h", "how long a signing key is published before it signs"),
    computed("keep_published", "24h", "how long a signing key is published after it signed"),
    setting("max_key_age", Kind::Text, "90d", "a signing key that has signed for this long stops signing"),
    setting(
        "serve_stale",
        Kind::Text,
        "12h",
        "how long the key set is served while the database is unreachable",
    ),
    setting("rsa_bits", Kind::Count, "2048", "length of new RSA keys: 2048, 3072 or 4096"),
    setting(
        "key_store",
        Kind::Text,
        "database",
        "where new signing keys are made: database, pkcs11 or aws-kms",
    ),
    setting("pkcs11_module", Kind::Text, "", "PKCS #11 library of the security module"),
    setting("pkcs11_token_label", Kind::Text, "", "label of the token in the module"),
    setting(
        "pkcs11_pin_file",
        Kind::Text,
        "",
        "file with the token's user PIN (or set RUNMINT_PKCS11_PIN to the PIN itself)",
    ),
    setting("aws_kms_endpoint", Kind::Text, "", "URL of AWS KMS, if not the region's own"),
    setting("aws_kms_region", Kind::Text, "", "AWS region of the keys, if the environment does not set it"),
    setting(
        "publish_to",
        Kind::Text,
        "",
        "where to write static copies of discovery documents and key sets, separated by commas: file://, s3://, gs:// or az://",
    ),
    setting(
        "trust_allowed_ranges",
        Kind::Text,
        "",
        "private addresses from which issuers' keys may be fetched, separated by commas: 10.0.0.0/8",
    ),
    setting("trust_plain_http", Kind::Switch, "false", "allow plain http to issuers on loopback, for trials"),
    setting(
        "behind_tls_proxy",
        Kind::Switch,
        "false",
        "serve plain HTTP to a proxy that terminates TLS, and trust its X-Forwarded-For",
    ),
    setting("tls_certificate_file", Kind::Text, "", "PEM certificate chain; read again when it changes"),
    setting("tls_private_key_file", Kind::Text, "", "PEM private key of the certificate"),
    setting("dev_tls", Kind::Switch, "false", "make a local certificate authority and serve https with it"),
    setting("dev_tls_dir", Kind::Text, "data/tls", "folder for the files of dev_tls"),
    setting(
        "subject_prefix",
        Kind::Text,
        "runmint",
        "first component of every subject; `pulumi` for Pulumi Cloud's subjects",
    ),
    setting("scope", Kind::Text, "by-operation", "by-operation (read for a preview) or always-write"),
    computed("token_lifetime", "1h", "lifetime of a token if its caller asks for none"),
    setting("token_lifetime_max", Kind::Text, "1h", "longest lifetime that a caller may ask for"),
    setting("run_ttl_max", Kind::Text, "24h", "longest deadline of a run"),
    setting("max_connections", Kind::Count, "4096", "maximum number of simultaneous client connections"),
    setting(
        "header_timeout",
        Kind::Text,
        "10s",
        "time for a client to send a request's head, and to accept an answer; idle connections close after it",
    ),
    setting("body_timeout", Kind::Text, "10s", "time for a client to send a request's body"),
    setting("request_timeout", Kind::Text, "30s", "time for the server to answer a request"),
    setting("shutdown_timeout", Kind::Text, "25s", "time for requests in flight to finish after SIGTERM"),
    setting("log_format", Kind::Text, "text", "text or json"),
    setting("log_level", Kind::Text, "info", "error, warn, info, debug or trace"),
];

impl Setting {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("RUNMINT_{}", self.name.to_uppercase())
    }

    /// The flag, dashes included.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// The default to add if the setting is missing.
    pub(super) fn default_value(&self) -> Option<toml::Value> {
        let is_fixed = !self.is_computed && !self.default.is_empty();
        is_fixed.then(|| self.parse(self.name, self.default).expect("the defaults in the table parse"))
    }

    /// The default that the reference shows for a computed duration.
    pub(super) fn shown_duration(name: &str) -> SignedDuration {
        let shown = SETTINGS.iter().find(|setting| setting.name == name).map(|setting| setting.default);
        shown.and_then(TextDuration::parse).expect("a duration of the table").0
    }

    pub(super) fn parse(&self, origin: &str, text: &str) -> Result<toml::Value, ConfigError> {
        let fault = |expected| ConfigError::Kind { origin: origin.into(), expected, found: text.into() };
        match self.kind {
            Kind::Text => Ok(toml::Value::String(text.to_owned())),
            Kind::Count => text.parse().map(toml::Value::Integer).map_err(|_| fault("a whole number")),
            Kind::Switch => text.parse().map(toml::Value::Boolean).map_err(|_| fault("true or false")),
        }
    }

    /// The setting that a mistyped name most likely means.
    pub(super) fn closest(name: &str) -> Option<&'static Self> {
        let nearest = SETTINGS.iter().min_by_key(|setting| edits(setting.name, name))?;
        (edits(nearest.name, name) <= 3).then_some(nearest)
    }
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
