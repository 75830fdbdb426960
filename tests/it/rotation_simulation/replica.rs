//! One process: the real service without sockets, with its own connections and clock.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runmint::app::App;
use runmint::clock::Clock;
use runmint::config::{Settings, Sources};
use runmint::entropy::SystemEntropy;
use runmint::flows::refresh_keys::{RefreshError, SPACING, refresh, refresh_if_older};
use runmint::flows::rotate_keys::look_after_keys;
use runmint::publication::Publication;
use runmint::serving::Standing;
use runmint::signing::keyring::IssuerId;
use runmint::signing::rotation::RotationPolicy;
use runmint::store::Store;

use super::keys::key_stores;
use super::line::Line;
use crate::harness::{ManualClock, sealing_key_text};

/// A machine's clock, offset from the true time, which is the database's.
pub(super) struct SkewedClock {
    truth: Arc<ManualClock>,
    off_by_millis: AtomicI64,
}

impl SkewedClock {
    pub(super) fn set_off_by(&self, off_by: SignedDuration) {
        self.off_by_millis.store(i64::try_from(off_by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(super) fn off_by(&self) -> SignedDuration {
        SignedDuration::from_millis(self.off_by_millis.load(Ordering::SeqCst))
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        self.truth.now() + self.off_by()
    }
}

/// The state shared by all processes of a world: the database, the configuration and the true time.
pub(super) struct Site {
    pub(super) truth: Arc<ManualClock>,
    pub(super) outage: Arc<AtomicBool>,
    settings: Settings,
    rsa_keys_given: Arc<AtomicUsize>,
}

impl Site {
    pub(super) fn new(database_url: &str, truth: Arc<ManualClock>, policy: RotationPolicy) -> Self {
        let file = format!(
            "issuer = 'https://id.example.com/oidc'\ndatabase_url = '{database_url}'\n[algorithms]\nes = 'ES256'\n"
        );
        let environment = vec![("RUNMINT_SEALING_KEY".to_owned(), sealing_key_text())];
        let sources = Sources { file: Some(("simulation".into(), file)), environment, flags: Vec::new() };
        let mut settings = Settings::load(&sources).unwrap();
        settings.keys.rotation = policy;
        Self { truth, outage: Arc::default(), settings, rsa_keys_given: Arc::default() }
    }

    /// Connections of one machine; they outlive its processes, to save opening them again.
    pub(super) async fn connect(&self) -> Store {
        let store = Store::open(self.settings.exposed_database_url(), 1).await.unwrap();
        store.with_clock(self.truth.clone())
    }

    pub(super) fn clock(&self, off_by: SignedDuration) -> Arc<SkewedClock> {
        let clock = SkewedClock { truth: Arc::clone(&self.truth), off_by_millis: AtomicI64::new(0) };
        clock.set_off_by(off_by);
        Arc::new(clock)
    }

    /// A process that has not looked yet.
    pub(super) fn process(&self, store: &Store, clock: &Arc<SkewedClock>) -> Replica {
        let line = Arc::new(Line::new(Arc::clone(&self.outage)));
        let is_blind = Arc::<AtomicBool>::default();
        let stores = key_stores(Arc::clone(&self.rsa_keys_given), Arc::clone(&is_blind));
        let app = App::new(
            &self.settings,
            store.clone().with_weather(line.clone()),
            stores,
            Vec::new(),
            clock.clone(),
            Arc::new(SystemEntropy::new()),
        );
        Replica { app, is_blind, line, clock: Arc::clone(clock), heard: Mutex::default() }
    }
}

pub(super) struct Replica {
    pub(super) app: App,
    pub(super) line: Arc<Line>,
    /// Its key store opens no key.
    pub(super) is_blind: Arc<AtomicBool>,
    pub(super) clock: Arc<SkewedClock>,
    /// When the database last confirmed what is served, by this clock and in true time.
    heard: Mutex<Option<(Timestamp, Timestamp)>>,
}

impl Replica {
    /// Does what the program does at its start. `false` if it exits at once.
    pub(super) async fn start(&self) -> bool {
        let started = match refresh(&self.app).await {
            Ok(served) => served.publication_of(IssuerId::Shared).is_some(),
            Err(RefreshError::Barred(_)) => true,
            Err(_) => false,
        };
        self.listen();
        started && !self.line.has_crashed()
    }

    /// Does what the program does every few seconds.
    pub(super) async fn look(&self) -> bool {
        let done = look_after_keys(&self.app).await.is_ok();
        self.listen();
        done
    }

    /// Sets the state as if it had looked a moment ago and found nothing new.
    pub(super) fn keep_up(&self) {
        let now = Some(self.clock.now());
        let before = self.app.serving.standing().clone();
        let standing = Standing { seen_at: now, confirmed_at: now, ..Standing::clone(&before) };
        self.app.serving.set_standing(standing);
        self.listen();
    }

    pub(super) async fn renew(&self) {
        let _ = refresh(&self.app).await;
        self.listen();
    }

    /// The answer to a request for the key set; the conditions are those of `http::discovery`.
    pub(super) async fn key_set(&self) -> Option<Arc<Publication>> {
        let app = &self.app;
        let fresh = || app.serving.standing().may_serve(&app.rotation, app.clock.now());
        if !fresh() {
            refresh_if_older(app, SPACING).await;
            self.listen();
        }
        if fresh() { app.serving.peek().publication_of(IssuerId::Shared).cloned() } else { None }
    }

    /// The true time at which the served state last matched the database.
    pub(super) fn heard_at(&self) -> Option<Timestamp> {
        self.heard.lock().unwrap().map(|(_, truth)| truth)
    }

    /// Runs after every possible access to the database: this clock has the same offset now as then.
    pub(super) fn listen(&self) {
        let Some(confirmed_at) = self.app.serving.standing().confirmed_at else { return };
        let mut heard = self.heard.lock().unwrap();
        if heard.is_none_or(|(by_its_clock, _)| by_its_clock != confirmed_at) {
            *heard = Some((confirmed_at, confirmed_at - self.clock.off_by()));
        }
    }
}
