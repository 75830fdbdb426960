//! What an issuer has besides name and URL, as flags and as people read it.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::span::{moment, span};
use crate::cli::terminal::table::{cell, fields};
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;

/// What may be said about an issuer besides name and URL.
#[derive(Args)]
pub(super) struct Details {
    /// How long what is exchanged for its tokens may live, e.g. 2h [25h unless said]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) max_expiration: Option<TextDuration>,
    /// SHA-256 of a certificate that its servers may present, in hexadecimal; may be repeated
    #[arg(long = "thumbprint", value_name = "SHA256")]
    pub(super) thumbprints: Vec<String>,
    /// Its key set, which is then never fetched; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) jwks_file: Option<PathBuf>,
}

impl Details {
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let mut body = json!({});
        if let Some(TextDuration(most)) = self.max_expiration {
            body["maxExpiration"] = most.as_secs().into();
        }
        if !self.thumbprints.is_empty() {
            body["thumbprints"] = self.thumbprints.clone().into();
        }
        if let Some(path) = &self.jwks_file {
            body["jwks"] = json_of(path)?;
        }
        Ok(body)
    }
}

pub(super) fn describe(issuer: &Value) -> String {
    let now = SystemClock.now();
    let most = issuer["maxExpiration"].as_i64().map(jiff::SignedDuration::from_secs);
    let keys = match issuer["jwks"]["keys"].as_array() {
        Some(keys) => format!("{} given, never fetched", keys.len()),
        None => "fetched".to_owned(),
    };
    let mut rows = vec![
        ("name", cell(&issuer["name"])),
        ("id", cell(&issuer["id"])),
        ("url", cell(&issuer["url"])),
        ("keys", keys),
        ("max expiration", most.map_or_else(|| "-".to_owned(), span)),
        ("created", moment(&issuer["created"], now, "-")),
        ("modified", moment(&issuer["modified"], now, "-")),
        ("last used", moment(&issuer["lastUsed"], now, "never")),
    ];
    let thumbprints = issuer["thumbprints"].as_array().into_iter().flatten();
    rows.extend(thumbprints.map(|one| ("thumbprint", cell(one))));
    fields(&rows)
}
