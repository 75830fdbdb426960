//! Putting the rooms together: settings become a running service.

mod key_stores;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Settings, Transport};
use crate::copies::{PublishError, Target};
use crate::domain::signing_key::Which;
use crate::entropy::Entropy;
use crate::flows::abandon_keys::{AbandonError, abandon_lost_keys, confirm};
use crate::flows::initialize::{InitializeError, ensure_signing_keys};
use crate::flows::load_keys::{LoadKeysError, load_keys};
use crate::flows::publish_copies::publish_copies;
use crate::flows::rotate_keys::look_after_keys;
use crate::http::Api;
use crate::http::connections::Connections;
use crate::http::dev_tls;
use crate::http::router::router;
use crate::http::tls::{CertificateFiles, TlsError};
use crate::signing::key_store::KeyStoreError;
use crate::signing::keyring::IssuerId;
use crate::signing::sealing::{SealingError, SealingKeys};
use crate::store::{OpenError, Store, StoreError};

/// How often records that are no longer needed are deleted.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How long closing the database may take at the end, after shutdown_timeout.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Error)]
pub enum LaunchError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    #[error("publish_to: {0}")]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    LoadKeys(#[from] LoadKeysError),
    #[error(transparent)]
    Initialize(#[from] InitializeError),
    #[error(transparent)]
    Abandon(#[from] AbandonError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("there is no signing key yet: run `runmint init` once, with the same configuration")]
    NotInitialized,
}

/// Whether a missing sealing key and a missing first signing key are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FirstKeys {
    Make,
    /// As `Make`, and the keys that nothing opens are given up, if they are this many.
    MakeAndAbandonLost(Option<usize>),
    Require,
}

/// Opens the database and the keys. Nothing is served yet.
pub async fn open(
    settings: &Settings,
    first_keys: FirstKeys,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<App>, LaunchError> {
    if settings.keys.rotation.timing.is_faster() {
        tracing::warn!(
            "RUNMINT_TEST_TIME_SCALE is set: caches of verifiers outlive the keys, so this is for tests alone. Unset it in service"
        );
    }
    let (sealing, store) = match first_keys {
        // The sealing key before the database: a wrong path must not leave an empty database behind.
        FirstKeys::Require => {
            let sealing = key_stores::sealing_keys(&settings.keys, None)?;
            (sealing, open_store(settings).await?)
        }
        // The database before the sealing key: a new one must not take the place of a lost one.
        FirstKeys::Make | FirstKeys::MakeAndAbandonLost(_) => {
            let store = open_store(settings).await?;
            let (_, keys) = store.signing_keys(Which::All).await?;
            let first = keys.iter().all(|key| key.attestation.is_none() && key.private_key.is_none());
            let create = first && first_keys == FirstKeys::Make;
            let mut made = key_stores::sealing_keys(&settings.keys, create.then_some(entropy.as_ref()));
            if let (FirstKeys::MakeAndAbandonLost(count), Err(SealingError::Missing(_))) = (first_keys, &made)
            {
                // A refusal must leave no file behind, so ask first.
                let without = key_stores::sealing_keys_without_the_first(&settings.keys, entropy.as_ref())?;
                let app = assemble(settings, store.clone(), without, &clock, &entropy).await?;
                confirm(&app, count).await?;
                made = key_stores::sealing_keys(&settings.keys, Some(entropy.as_ref()));
            }
            let lost = |error| match error {
                SealingError::Missing(path) => SealingError::Lost(path),
                other => other,
            };
            (made.map_err(lost)?, store)
        }
    };
    let app = Arc::new(assemble(settings, store, sealing, &clock, &entropy).await?);
    let opened = load(&app, first_keys).await;
    if opened.is_err() {
        app.store.close().await;
    }
    opened.map(|()| app)
}

async fn assemble(
    settings: &Settings,
    store: Store,
    sealing: Arc<SealingKeys>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<App, LaunchError> {
    let key_stores = key_stores::open(&settings.keys, sealing, Arc::clone(entropy)).await?;
    let targets = settings.keys.publish_to.iter();
    let publish_to = targets
        .map(|url| Target::parse(url, &settings.keys.object_store_environment))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(App::new(settings, store, key_stores, publish_to, Arc::clone(clock), Arc::clone(entropy)))
}

async fn open_store(settings: &Settings) -> Result<Store, OpenError> {
    Store::open(settings.exposed_database_url(), settings.database_connections).await
}

async fn load(app: &App, first_keys: FirstKeys) -> Result<(), LaunchError> {
    if let FirstKeys::MakeAndAbandonLost(count) = first_keys {
        abandon_lost_keys(app, count).await?;
    }
    if first_keys != FirstKeys::Require {
        ensure_signing_keys(app).await?;
    }
    // Without a lease: what only looks, as `init` does, is not to be waited for.
    load_keys(app).await?;
    if app.serving.peek().publication_of(IssuerId::Shared).is_none() {
        return Err(LaunchError::NotInitialized);
    }
    Ok(())
}

/// A service that answers requests.
pub struct Server {
    app: Arc<App>,
    stop: watch::Sender<bool>,
    connections: JoinHandle<usize>,
    certificate_watch: Option<JoinHandle<()>>,
    keeping_keys: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves `app` on `listener`.
    pub fn start(app: Arc<App>, settings: &Settings, listener: TcpListener) -> Result<Self, LaunchError> {
        let certificates = certificates(settings, &app)?;
        let tls: Option<TlsAcceptor> = certificates.as_ref().map(CertificateFiles::acceptor).transpose()?;
        let certificate_watch = certificates.map(|files| tokio::spawn(files.watch()));
        let limits = settings.limits;
        let api = Arc::new(Api {
            app: Arc::clone(&app),
            body_timeout: limits.body_timeout.unsigned_abs(),
            cache_control: cache_control(&app),
            behind_proxy: settings.transport == Transport::Plain { behind_proxy: true },
        });
        let (stop, stopped) = watch::channel(false);
        let connections = Connections {
            listener,
            router: router(api, limits.request_timeout.unsigned_abs()),
            tls,
            max_connections: limits.max_connections,
            header_timeout: limits.header_timeout.unsigned_abs(),
            shutdown_timeout: settings.shutdown_timeout.unsigned_abs(),
        };
        let connections = tokio::spawn(connections.serve(stopped));
        Ok(Self { app, stop, connections, certificate_watch, keeping_keys: Vec::new() })
    }

    /// Looks after the keys from now on, every few seconds.
    pub fn keep_keys(mut self) -> Self {
        let app = &self.app;
        let every = app.rotation.timing.refresh_every.unsigned_abs();
        app.serving.note_looked_after(app.clock.now());
        let looking = Arc::clone(app);
        self.keeping_keys.push(tokio::spawn(keep_doing(every, move || look(Arc::clone(&looking)))));
        let forgetting = Arc::clone(app);
        self.keeping_keys
            .push(tokio::spawn(keep_doing(FORGET_EVERY, move || forget(Arc::clone(&forgetting)))));
        // Beside it: an object store that hangs must not cost this process its lease.
        if !app.copies.targets().is_empty() {
            let publishing = Arc::clone(app);
            self.keeping_keys.push(tokio::spawn(keep_doing(every, move || publish(Arc::clone(&publishing)))));
        }
        self
    }

    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Lets requests in flight finish, flushes and closes the database. Returns how many connections
    /// had to be cut off.
    pub async fn stop(self) -> usize {
        let _ = self.stop.send(true);
        let cut_off = self.connections.await.unwrap_or_default();
        for task in self.certificate_watch.into_iter().chain(self.keeping_keys) {
            task.abort();
            let _ = task.await;
        }
        let _ = timeout(CLOSE_TIMEOUT, self.app.store.end_lease(self.app.serving.replica().id)).await;
        // A database that hangs must not hold up the end: what was answered is committed already.
        if timeout(CLOSE_TIMEOUT, self.app.store.close()).await.is_err() {
            tracing::warn!("the database connections did not close in time");
        }
        cut_off
    }
}

async fn look(app: Arc<App>) {
    match look_after_keys(&app).await {
        Ok(()) => app.serving.note_looked_after(app.clock.now()),
        Err(error) => tracing::error!(%error, "could not maintain the signing keys; trying again"),
    }
}

async fn forget(app: Arc<App>) {
    if let Err(error) = app.store.forget_old_exchanges(app.clock.now()).await {
        tracing::warn!(%error, "could not delete old exchanges; trying again");
    }
}

async fn publish(app: Arc<App>) {
    if let Err(error) = publish_copies(&app).await {
        tracing::error!(%error, "could not update the static copies; trying again");
    }
}

/// Does `work` every so often, for ever: a panic is reported and does not end the loop.
async fn keep_doing<W: Future<Output = ()> + Send + 'static>(every: Duration, work: impl Fn() -> W) {
    let mut times = tokio::time::interval(every);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        // Ends with this future.
        let mut one = JoinSet::new();
        one.spawn(work());
        if let Some(Err(error)) = one.join_next().await {
            tracing::error!(%error, "a task of the scheduler ended in a bug; trying again");
        }
    }
}

fn cache_control(app: &App) -> HeaderValue {
    let seconds = app.rotation.timing.jwks_max_age.as_secs().max(1);
    HeaderValue::try_from(format!("public, max-age={seconds}")).expect("a number is fit for a header")
}

fn certificates(settings: &Settings, app: &App) -> Result<Option<Arc<CertificateFiles>>, TlsError> {
    match &settings.transport {
        Transport::Plain { .. } => Ok(None),
        Transport::Tls { certificate, private_key } => {
            CertificateFiles::load(certificate, private_key).map(Some)
        }
        Transport::DevTls { folder } => {
            let host = settings.issuer.host().to_owned();
            let files = dev_tls::ensure(folder, &host, app.clock.now())?;
            tracing::info!(ca_file = %files.authority.display(), "serving https with a local certificate authority");
            CertificateFiles::load(&files.certificate, &files.private_key).map(Some)
        }
    }
}

#[cfg(test)]
mod tests;
