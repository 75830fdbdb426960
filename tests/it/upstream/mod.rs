//! Fetching issuers' keys, from issuers that misbehave in every way.

mod addresses;
mod caching;
mod certificates;
mod discovery;
mod fetching;
mod flights;

use std::sync::Arc;

use jiff::SignedDuration;
use runmint::clock::Clock;
use runmint::trust::token::{Expectations, UnverifiedToken, VerifiedClaims};
use runmint::upstream::fetch::{FetchSettings, Fetcher};
use runmint::upstream::issuer_keys::{IssuerKeys, NotVerified};
use runmint::upstream::registered_issuer::{KeySource, RegisteredIssuer};
use runmint::upstream::resolver::Resolver;
use runmint::upstream::source_url::PlainHttp;
use runmint::upstream::thumbprint::Thumbprint;
use serde_json::{Value, json};

use crate::foreign_issuer::{ForeignIssuer, ForeignKey, Names};
use crate::harness::{ManualClock, START};

pub(super) const AUDIENCE: &str = "urn:runmint:org:acme";

/// Issuers' keys with a clock and names that the test sets.
pub(super) struct World {
    clock: Arc<ManualClock>,
    names: Arc<Names>,
    keys: Arc<IssuerKeys>,
}

impl World {
    fn new() -> Self {
        Self::with(on_loopback())
    }

    fn with(settings: FetchSettings) -> Self {
        let names = Arc::new(Names::default());
        Self::resolving(settings, Arc::clone(&names) as _, names)
    }

    fn resolving(settings: FetchSettings, resolver: Arc<dyn Resolver>, names: Arc<Names>) -> Self {
        let clock = Arc::new(ManualClock::at(START.parse().unwrap()));
        let keys = IssuerKeys::new(Fetcher::new(settings, resolver), Arc::clone(&clock) as _);
        Self { clock, names, keys: Arc::new(keys) }
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The claims of an honest token of the issuer at `url`.
    fn claims(&self, url: &str) -> Value {
        let now = self.clock.now().as_second();
        json!({"iss": url, "aud": AUDIENCE, "sub": "repo:acme/website", "iat": now, "exp": now + 300})
    }

    fn token(&self, issuer: &ForeignIssuer, key: &ForeignKey) -> String {
        key.token(&self.claims(&issuer.url))
    }

    async fn verify(&self, token: &str, issuer: &RegisteredIssuer) -> Result<VerifiedClaims, NotVerified> {
        let token = UnverifiedToken::parse(token).unwrap();
        let expected =
            Expectations { issuer: "", max_lifetime: SignedDuration::from_hours(1), now: self.clock.now() };
        let verified = self.keys.verify(&token, issuer, &expected).await?;
        Ok(verified.for_one_of(&[AUDIENCE.to_owned()])?)
    }
}

/// As in production, but connections to 127.0.0.1, and only to it on this machine, are allowed.
fn on_loopback() -> FetchSettings {
    FetchSettings {
        allowed_ranges: vec!["127.0.0.1/32".parse().unwrap()],
        plain_http: PlainHttp::OnLoopback,
        ..FetchSettings::default()
    }
}

fn registered(issuer: &ForeignIssuer) -> RegisteredIssuer {
    registered_at(&issuer.url)
}

fn registered_at(url: &str) -> RegisteredIssuer {
    pinned_at(url, &[])
}

fn pinned_at(url: &str, pins: &[Thumbprint]) -> RegisteredIssuer {
    let keys = KeySource::Discovered { pins: pins.to_vec() };
    RegisteredIssuer { id: format!("registration of {url}"), url: url.to_owned(), keys }
}
