//! What every request shares.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use quick_cache::sync::Cache;

use crate::clock::Clock;
use crate::config::Settings;
use crate::entropy::Entropy;
use crate::issuer::lifetime::LifetimePolicy;
use crate::issuer::service::Services;
use crate::issuer::url::IssuerUrl;
use crate::publication::Publication;
use crate::secret::SecretHash;
use crate::signing::keyring::Keyring;
use crate::signing::signer_pool::SignerPool;
use crate::store::Store;
use crate::store::mint_log::MintLog;
use crate::store::runs::Run;

/// Runs kept in memory, about two kilobytes each.
const RUNS_CACHED: usize = 20_000;

pub struct App {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub issuer: IssuerUrl,
    pub base_url: IssuerUrl,
    pub services: Services,
    pub lifetime: LifetimePolicy,
    pub run_ttl_max: SignedDuration,
    pub store: Store,
    pub mint_log: MintLog,
    pub signers: SignerPool,
    pub keyring: ArcSwap<Keyring>,
    pub publication: ArcSwap<Publication>,
    /// What never changes of runs that asked for tokens lately, by request token. Whether a run is
    /// still active is never cached: the commit of each token's record reads it.
    pub runs: Cache<SecretHash, Arc<Run>>,
}

impl App {
    /// Without keys yet: `flows::load_keys` gives it some.
    pub fn new(settings: &Settings, store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let keyring = Keyring::default();
        let signers = SignerPool::start();
        let backlog = signers.backlog();
        Self {
            clock,
            entropy,
            issuer: settings.issuer.clone(),
            base_url: settings.base_url.clone(),
            services: settings.services.clone(),
            lifetime: settings.lifetime,
            run_ttl_max: settings.run_ttl_max,
            mint_log: MintLog::start(&store, move || backlog.is_long()),
            store,
            signers,
            publication: ArcSwap::from_pointee(Publication::of(
                &settings.issuer,
                &settings.services,
                &keyring,
            )),
            keyring: ArcSwap::from_pointee(keyring),
            runs: Cache::new(RUNS_CACHED),
        }
    }
}
