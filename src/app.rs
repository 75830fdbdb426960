//! What every request shares.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Settings;
use crate::config::keys::AlgorithmChoice;
use crate::domain::replica::Replica;
use crate::domain::run::Run;
use crate::entropy::{Entropy, uuid_at};
use crate::issuer::lifetime::LifetimePolicy;
use crate::issuer::service::Services;
use crate::issuer::url::IssuerUrl;
use crate::publishing::Target;
use crate::secret::SecretHash;
use crate::served::{Served, Standing};
use crate::signing::key_store::KeyStores;
use crate::signing::keyring::RingId;
use crate::signing::rotation::RotationPolicy;
use crate::signing::signer_pool::SignerPool;
use crate::store::Store;
use crate::store::mint_log::MintLog;
use crate::trust::policy::audience::PoliciesInForce;
use crate::upstream::fetch::{FetchSettings, Fetcher};
use crate::upstream::issuer_keys::IssuerKeys;
use crate::upstream::resolver::SystemResolver;
use crate::upstream::source_url::PlainHttp;

/// Refused exchanges of one issuer that a process records in a minute.
const RECORDED_REFUSALS: u32 = 60;

/// Issuers whose policies are kept in memory, at most some hundred kilobytes each.
const POLICIES_CACHED: usize = 200;

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
    pub key_stores: KeyStores,
    pub rotation: RotationPolicy,
    pub algorithms: AlgorithmChoice,
    pub replica: Replica,
    /// Static copies that every change is written to.
    pub publish_to: Vec<Target>,
    /// The keys that are in all of them.
    pub published: ArcSwap<HashSet<String>>,
    /// The keys of issuers whose tokens are exchanged.
    pub issuer_keys: IssuerKeys,
    /// Held while they are written: a claim is this process's, not a task's.
    pub publishing: Mutex<()>,
    /// What is wrong with them, by target, as this process found it.
    pub copy_troubles: ArcSwap<BTreeMap<String, CopyTrouble>>,
    pub served: ArcSwap<Served>,
    pub standing: ArcSwap<Standing>,
    /// Held while the keys are read anew, so that one process asks once however many requests wait.
    pub refreshing: Mutex<()>,
    /// Counts the looks at the database, those that failed with the others.
    pub looks: AtomicU64,
    /// The keys that the others know to be served here.
    pub acknowledged: Mutex<HashSet<String>>,
    /// What is wrong with the rotation, as the last look found it.
    pub alarms: ArcSwap<Vec<RingNotice>>,
    /// What an operator has to do before it becomes an alarm.
    pub reminders: ArcSwap<Vec<RingNotice>>,
    /// How many refused exchanges of an issuer are still recorded in which minute: anybody may ask for more of
    /// them. Each issuer has its own, so that nobody can hide what goes on at another.
    pub refusals: Cache<Uuid, Arc<Budget>>,
    /// The policies of issuers, read once for each version.
    pub policies: Cache<(Uuid, i64), Arc<PoliciesInForce>>,
    /// Held by whoever decides about much at once, apart from the requests of everybody else.
    pub deciding: Arc<Semaphore>,
    /// The key of which the database last recorded no token, as long as that is so: whoever believes that it
    /// signs is not ready.
    pub refused_key: ArcSwapOption<String>,
    /// Keys that this process saw leave for good.
    pub taken_out: std::sync::Mutex<HashSet<String>>,
    /// When the scheduler last did all that was due, in milliseconds; 0 where none runs.
    pub looked_after_at: AtomicI64,
    /// What never changes of runs that asked for tokens lately, by request token. Whether a run is
    /// still active is never cached: the commit of each token's record reads it.
    pub runs: Cache<SecretHash, Arc<Run>>,
}

/// So much in a minute, and no more.
pub struct Budget {
    in_a_minute: u32,
    spent: std::sync::Mutex<(i64, u32)>,
}

impl Budget {
    fn new(in_a_minute: u32) -> Self {
        Self { in_a_minute, spent: std::sync::Mutex::default() }
    }

    /// Whether there is one left at `now`.
    pub fn spend(&self, now: Timestamp) -> Spending {
        let minute = now.as_second() / 60;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != minute {
            *spent = (minute, 0);
        }
        spent.1 = spent.1.saturating_add(1);
        match spent.1 {
            count if count <= self.in_a_minute => Spending::Allowed,
            count if count == self.in_a_minute + 1 => Spending::FirstTooMany,
            _ => Spending::TooMany,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    Allowed,
    /// Worth a word; the others are not.
    FirstTooMany,
    TooMany,
}

impl App {
    /// Whether a refused exchange of this issuer is recorded at `now`.
    pub fn spend_refusal(&self, issuer: Uuid, now: Timestamp) -> Spending {
        let budget = self.refusals.get(&issuer).unwrap_or_else(|| {
            let budget = Arc::new(Budget::new(RECORDED_REFUSALS));
            self.refusals.insert(issuer, Arc::clone(&budget));
            budget
        });
        budget.spend(now)
    }
}

/// Something that an operator must be told about the keys of one issuer and algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingNotice {
    pub ring: RingId,
    /// The static copy that it is about, if it is about one.
    pub copy: Option<String>,
    /// For everybody: the kind of thing, with times and without names.
    pub kind: String,
    /// For operators: with the names of processes, copies and verifiers.
    pub what: String,
}

/// Why an operator must look at a static copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTrouble {
    pub what: String,
    /// How many looks this process leaves to the others before it tries again.
    pub pause: u32,
    /// Until when to go on saying what is over already.
    pub until: Option<Timestamp>,
}

impl App {
    /// Without keys yet: `flows::refresh_keys` gives it some.
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
            replica,
            publish_to,
            published: ArcSwap::default(),
            issuer_keys,
            publishing: Mutex::default(),
            copy_troubles: ArcSwap::default(),
            served: ArcSwap::default(),
            standing: ArcSwap::default(),
            refreshing: Mutex::new(()),
            acknowledged: Mutex::default(),
            alarms: ArcSwap::default(),
            reminders: ArcSwap::default(),
            refusals: Cache::new(POLICIES_CACHED),
            policies: Cache::new(POLICIES_CACHED),
            deciding: Arc::new(Semaphore::new(1)),
            refused_key: ArcSwapOption::default(),
            taken_out: std::sync::Mutex::default(),
            looks: AtomicU64::new(0),
            looked_after_at: AtomicI64::new(0),
            runs: Cache::new(RUNS_CACHED),
        }
    }
}
