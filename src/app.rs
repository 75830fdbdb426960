//! The state that all requests share.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

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
    pub store: Store,
    pub issuing: Issuing,
    pub minting: Minting,
    pub rotation: RotationPolicy,
    pub key_stores: KeyStores,
    /// The keys of issuers whose tokens are exchanged.
    pub issuer_keys: IssuerKeys,
    /// The keys in service, and the right of this process to use them.
    pub serving: Serving,
    /// The static copies that every change of the keys is written to.
    pub copies: Copies,
    pub exchange_limits: ExchangeLimits,
}

/// The configuration of runs and their tokens.
pub struct Issuing {
    /// The shared issuer.
    pub issuer: IssuerUrl,
    /// The URL of the API, and the prefix of the issuers of organizations.
    pub base_url: IssuerUrl,
    pub services: Services,
    pub lifetime: LifetimePolicy,
    pub run_ttl_max: SignedDuration,
    /// Which audiences get which algorithm.
    pub algorithms: AlgorithmChoice,
}

/// The parts of a mint beside the keys.
pub struct Minting {
    pub runs: RunCache,
    pub log: MintLog,
    pub signers: SignerPool,
}

impl App {
    /// Serves no keys yet: `flows::load_keys` puts some in service.
    #[expect(
        clippy::too_many_arguments,
        reason = "each part comes from a room of its own, and only launch and tests put them together"
    )]
    pub fn new(
        settings: &Settings,
        store: Store,
        key_stores: KeyStores,
        publish_to: Vec<Target>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let rotation = settings.keys.rotation;
        let issuer_keys = IssuerKeys::new(fetcher(settings), Arc::clone(&clock));
        let replica = this_process(&key_stores, clock.now(), entropy.as_ref());
        Self {
            clock,
            entropy,
            issuing: Issuing::configured(settings),
            minting: Minting::start(&store, &rotation),
            store,
            rotation,
            key_stores,
            issuer_keys,
            serving: Serving::new(replica),
            copies: Copies::new(publish_to),
            exchange_limits: ExchangeLimits::default(),
        }
    }
}

impl Issuing {
    fn configured(settings: &Settings) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            base_url: settings.base_url.clone(),
            services: settings.services.clone(),
            lifetime: settings.lifetime,
            run_ttl_max: settings.run_ttl_max,
            algorithms: settings.keys.algorithms.clone(),
        }
    }
}

impl Minting {
    /// Starts the threads that sign and the tasks that record.
    fn start(store: &Store, rotation: &RotationPolicy) -> Self {
        let signers = SignerPool::start();
        let backlog = signers.backlog();
        Self {
            runs: RunCache::default(),
            log: MintLog::start(store, rotation.timing.grace(), move || backlog.is_long()),
            signers,
        }
    }
}

fn fetcher(settings: &Settings) -> Fetcher {
    let fetching = FetchSettings {
        allowed_ranges: settings.trust.allowed_ranges.clone(),
        plain_http: if settings.trust.plain_http { PlainHttp::OnLoopback } else { PlainHttp::Never },
        ..FetchSettings::default()
    };
    Fetcher::new(fetching, Arc::new(SystemResolver))
}

fn this_process(key_stores: &KeyStores, started_at: Timestamp, entropy: &dyn Entropy) -> Replica {
    let id = uuid_at(started_at, entropy);
    let (system, short) = (rustix::system::uname(), id.simple().to_string()[28..].to_owned());
    Replica {
        id,
        // Two containers may have the same host name and process id.
        name: format!("{}/{}/{short}", system.nodename().to_string_lossy(), std::process::id()),
        sealing_keys: key_stores.sealing().ids().into_iter().map(str::to_owned).collect(),
        started_at,
    }
}
