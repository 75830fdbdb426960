//! `runmint serve`

use std::sync::Arc;

use clap::Args;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::server::logging;
use crate::cli::server::settings::SettingFlags;
use crate::cli::terminal::failure::Failure;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::entropy::SystemEntropy;
use crate::launch::{self, FirstKeys, Server};

/// Serve until SIGTERM or Ctrl-C
///
/// Run `runmint init` once before. On SIGTERM the server accepts no more connections, finishes requests in
/// flight within shutdown_timeout and exits with 0.
#[derive(Args)]
#[command(after_help = "Example:  runmint serve --config runmint.toml")]
pub(in crate::cli) struct Serve {
    #[command(flatten)]
    settings: SettingFlags,
}

impl Serve {
    pub(in crate::cli) async fn execute(self) -> Result<(), Failure> {
        let settings = self.settings.load()?;
        logging::start(settings.log_format, settings.log_level);
        raise_descriptor_limit(&settings);
        let listener = bind(&settings).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let entropy = Arc::new(SystemEntropy::new());
        let app = launch::open(&settings, FirstKeys::Require, Arc::new(SystemClock), entropy).await?;
        let signals = Signals::listen()?;
        let server = Server::start(app, &settings, listener)?.keep_keys();
        tracing::info!(issuer = %settings.issuer, listen = %address, "serving");
        until_signal(server, signals).await
    }
}

pub(in crate::cli) async fn bind(settings: &Settings) -> Result<TcpListener, Failure> {
    let listen = settings.listen;
    TcpListener::bind(listen).await.map_err(|error| {
        Failure::failed(format!(
            "could not listen on {listen}: {error}; choose another address with --listen"
        ))
    })
}

/// The signals that stop a server. Made before it serves: without a handler a signal kills the process at once.
pub(in crate::cli) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(in crate::cli) fn listen() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("could not handle signals: {error}")))
        };
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
        })
    }
}

/// Waits for SIGTERM or SIGINT, then stops the server gracefully.
pub(in crate::cli) async fn until_signal(server: Server, mut signals: Signals) -> Result<(), Failure> {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    tracing::info!("stopping: finishing the requests in flight");
    match server.stop().await {
        0 => tracing::info!("stopped"),
        cut_off => tracing::warn!(cut_off, "stopped; some connections did not end in time"),
    }
    Ok(())
}

/// A connection is a file descriptor, and the usual soft limit of 1,024 is lower than max_connections.
fn raise_descriptor_limit(settings: &Settings) {
    let wanted = u64::from(settings.limits.max_connections) + 256;
    match raise_soft_limit(wanted) {
        Ok(limit) if limit < wanted => tracing::warn!(
            limit,
            max_connections = settings.limits.max_connections,
            "the limit of open files is below max_connections; raise it (ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "could not raise the limit of open files"),
    }
}

/// The soft limit of open files afterwards: `wanted`, or as much of it as the hard limit leaves.
fn raise_soft_limit(wanted: u64) -> Result<u64, Errno> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    if soft >= wanted {
        return Ok(soft);
    }
    let raised = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit })?;
    Ok(raised)
}
