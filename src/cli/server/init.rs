//! `runmint init`

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::server::settings::SettingFlags;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::clock::SystemClock;
use crate::domain::page::{MAX_PAGE, PageRequest};
use crate::entropy::SystemEntropy;
use crate::flows::access_tokens::{NewAccessToken, Scope, create_access_token};
use crate::launch::{self, FirstKeys};
use crate::opaque_token::OpaqueToken;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};

/// Prepare a server for production
///
/// Creates what is missing: the schema, the sealing key (in sealing_key_file, unless RUNMINT_SEALING_KEY is
/// set), the first signing key, and the first admin access token, which is printed only once. Running it again
/// is safe and changes nothing.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint init --config runmint.toml
  runmint init --config runmint.toml --new-admin-token     if every admin access token is lost
  runmint init --config runmint.toml --abandon-lost-keys   list the keys that are lost")]
pub(in crate::cli) struct Init {
    /// Create another admin access token, even if one exists
    #[arg(long)]
    new_admin_token: bool,
    /// Abandon the signing keys that no configured sealing key opens, and create new ones
    ///
    /// For a sealing key or a security module that is lost for good. Stop every process first. Without a number
    /// it changes nothing and lists the lost keys and the number to pass. The lost keys leave the key set, so
    /// verifiers refuse the tokens that they signed, and new tokens until they fetch the key set again.
    #[arg(long, value_name = "HOW_MANY")]
    #[expect(clippy::option_option, reason = "clap's way to say that a flag may come without its value")]
    abandon_lost_keys: Option<Option<usize>>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Init {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let settings = self.settings.load()?;
        let entropy = Arc::new(SystemEntropy::new());
        let first_keys = self.abandon_lost_keys.map_or(FirstKeys::Make, FirstKeys::MakeAndAbandonLost);
        let app = launch::open(&settings, first_keys, Arc::new(SystemClock), entropy).await?;
        let database = |error| {
            Failure::failed(format!("could not read the access tokens: the database failed: {error}"))
        };
        let page = PageRequest { limit: MAX_PAGE, before: None };
        let existing = app.store.access_tokens(None, page).await.map_err(database)?;
        let usable = existing.items.iter().any(|token| token.is_valid_at(app.clock.now()));
        let token = if !usable || self.new_admin_token {
            let name = "made by runmint init".to_owned();
            let new =
                NewAccessToken { name, scope: Scope::Admin, expires_in_seconds: None, created_by: None };
            Some(create_access_token(&app, new).await.map_err(Failure::failed)?.secret)
        } else {
            None
        };
        let shared = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
        let kid = app
            .serving
            .peek()
            .keyring
            .signer(shared, &app.rotation, app.clock.now())
            .map(|key| key.kid().to_owned());
        app.store.close().await;
        let value = json!({
            "issuer": settings.issuer.as_str(),
            "base_url": settings.base_url.as_str(),
            "signing_key": kid,
            "admin_token": token.as_ref().map(OpaqueToken::expose),
        });
        output::print(output, &value, |_| {
            let admin = match &token {
                Some(secret) => {
                    format!("Admin access token, shown only once:\n\n  {}\n\n", secret.expose())
                }
                None => {
                    "An admin access token exists already (--new-admin-token creates another).\n\n".to_owned()
                }
            };
            format!(
                "Ready: issuer {}, signing key {}.\n\n{admin}Next:  back up the sealing key, then run `runmint serve` with the same configuration.\n",
                settings.issuer,
                kid.as_deref().unwrap_or("none"),
            )
        })
    }
}
