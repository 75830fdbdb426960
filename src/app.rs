//! What every request shares.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::clock::Clock;
use crate::config::Settings;
use crate::config::keys::AlgorithmChoice;
use crate::copies::Target;
use crate::copies::known::Copies;
use crate::domain::replica::Replica;
use crate::entropy::{Entropy, uuid_at};
use crate::exchange_limits::ExchangeLimits;
use crate::issuer::lifetime::LifetimePolicy;
use crate::issuer::service::Services;
use crate::issuer::url::IssuerUrl;
use crate::run_cache::RunCache;
use crate::serving::Serving;
use crate::signing::key_store::KeyStores;
use crate::signing::rotation::RotationPolicy;
use crate::signing::signer_pool::SignerPool;
use crate::store::Store;
use crate::store::mint_log::MintLog;
use crate::upstream::fetch::{FetchSettings, Fetcher};
use crate::upstream::issuer_keys::IssuerKeys;
use crate::upstream::resolver::SystemResolver;
use crate::upstream::source_url::PlainHttp;

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
    pub key_stores: KeyStores,
    pub rotation: RotationPolicy,
    pub algorithms: AlgorithmChoice,
    /// The keys of issuers whose tokens are exchanged.
    pub issuer_keys: IssuerKeys,
    /// The keys in service, and the right of this process to use them.
    pub serving: Serving,
    /// The static copies that every change of the keys is written to.
    pub copies: Copies,
    pub exchange_limits: ExchangeLimits,
    pub runs: RunCache,
}

impl App {
    /// Serves no keys yet: `flows::load_keys` puts some in service.
    pub fn new(
        settings: &Settings,
        store: Store,
        key_stores: KeyStores,
        publish_to: Vec<Target>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let fetching = FetchSettings {
            allowed_ranges: settings.trust.allowed_ranges.clone(),
            plain_http: if settings.trust.plain_http { PlainHttp::OnLoopback } else { PlainHttp::Never },
            ..FetchSettings::default()
        };
        let fetcher = Fetcher::new(fetching, Arc::new(SystemResolver));
        let issuer_keys = IssuerKeys::new(fetcher, Arc::clone(&clock));
        let signers = SignerPool::start();
        let backlog = signers.backlog();
        let started_at = clock.now();
        let id = uuid_at(started_at, entropy.as_ref());
        let (host, short) = (gethostname::gethostname(), id.simple().to_string()[28..].to_owned());
        let replica = Replica {
            id,
            // Two containers may have the same host name and process id.
            name: format!("{}/{}/{short}", host.to_string_lossy(), std::process::id()),
            sealing_keys: key_stores.sealing().ids().into_iter().map(str::to_owned).collect(),
            started_at,
        };
        let rotation = settings.keys.rotation;
        Self {
            clock,
            entropy,
            issuer: settings.issuer.clone(),
            base_url: settings.base_url.clone(),
            services: settings.services.clone(),
            lifetime: settings.lifetime,
            run_ttl_max: settings.run_ttl_max,
            mint_log: MintLog::start(&store, rotation.timing.grace(), move || backlog.is_long()),
            store,
            signers,
            key_stores,
            rotation,
            algorithms: settings.keys.algorithms.clone(),
            issuer_keys,
            serving: Serving::new(replica),
            copies: Copies::new(publish_to),
            exchange_limits: ExchangeLimits::default(),
            runs: RunCache::default(),
        }
    }
}
