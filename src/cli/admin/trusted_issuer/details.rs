//! The properties of an issuer, as flags and for people.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use crate::api::discovery::JwkSet;
use crate::api::trusted_issuers::TrustedIssuer;
use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::span::{moment, span};
use crate::cli::terminal::table::fields;
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;

/// The properties of an issuer besides name and URL.
#[derive(Args)]
pub(super) struct Details {
    /// Maximum lifetime of tokens exchanged for its tokens, e.g. 2h [default for a new issuer: 25h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_expiration: Option<TextDuration>,
    /// SHA-256 of a certificate that its servers may present, in hexadecimal; may be repeated
    #[arg(long = "thumbprint", value_name = "SHA256")]
    thumbprints: Vec<String>,
    /// Its key set, used instead of fetching it; - for standard input
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
}

impl Details {
    pub(super) fn max_expiration(&self) -> Option<i64> {
        self.max_expiration.map(|TextDuration(most)| most.as_secs())
    }

    pub(super) fn thumbprints(&self) -> Option<Vec<String>> {
        Some(self.thumbprints.clone()).filter(|list| !list.is_empty())
    }

    pub(super) fn jwks(&self) -> Result<Option<Value>, Failure> {
        self.jwks_file.as_deref().map(json_of).transpose()
    }
}

pub(super) fn describe(issuer: &TrustedIssuer) -> String {
    let now = SystemClock.now();
    let keys = match issuer.jwks.as_ref().map(JwkSet::deserialize) {
        Some(Ok(jwks)) => format!("{} given, never fetched", jwks.keys.len()),
        Some(Err(_)) => "given, never fetched".to_owned(),
        None => "fetched".to_owned(),
    };
    let mut rows = vec![
        ("name", issuer.name.clone()),
        ("id", issuer.id.to_string()),
        ("url", issuer.url.clone()),
        ("keys", keys),
        ("max expiration", span(SignedDuration::from_secs(issuer.max_expiration))),
        ("created", moment(issuer.created, now, "-")),
        ("modified", moment(issuer.modified, now, "-")),
        ("last used", moment(issuer.last_used, now, "never")),
    ];
    rows.extend(issuer.thumbprints.iter().map(|one| ("thumbprint", one.clone())));
    fields(&rows)
}
