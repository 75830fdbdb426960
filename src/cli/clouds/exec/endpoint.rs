//! A local endpoint for one run: a client with the endpoint's token gets tokens and credentials of the run while the
//! command runs. Nothing is on disk, and the run's own request token stays in this process.

mod answers;
mod peer;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

pub(super) use self::answers::Answers;
use self::peer::is_somebody_else;
use crate::cli::terminal::failure::Failure;
use crate::clouds::handover::LocalEndpoint;
use crate::entropy::{Entropy, SystemEntropy};

/// A command and its children ask a few times an hour. Connections beyond this are closed.
const MOST_CONNECTIONS: usize = 64;
/// For processes of other users, which a command may have started: they cannot use up the slots of our own user.
const MOST_OF_OTHERS: usize = 8;
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// An exchange with retries takes a minute.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// Bound but not yet serving: connections wait in the backlog.
pub(super) struct Endpoint {
    listener: TcpListener,
    pub(super) local: LocalEndpoint,
}

impl Endpoint {
    pub(super) async fn bind() -> Result<Self, Failure> {
        let fault = |error| Failure::failed(format!("could not open an endpoint on 127.0.0.1: {error}"));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(fault)?;
        let origin = format!("http://{}", listener.local_addr().map_err(fault)?);
        let mut random = Zeroizing::new([0; 32]);
        SystemEntropy::new().fill(random.as_mut());
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(*random));
        Ok(Self { listener, local: LocalEndpoint { origin, token } })
    }

    /// Serves until the future is dropped, together with every connection.
    pub(super) async fn serve(listener: TcpListener, answers: Arc<Answers>) {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let of_others = Arc::new(Semaphore::new(MOST_OF_OTHERS));
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            let is_other = stream.local_addr().is_ok_and(|ours| is_somebody_else(peer, ours));
            let slots = if is_other { &of_others } else { &slots };
            let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { continue };
            let answers = Arc::clone(&answers);
            connections.spawn(async move {
                let _slot = slot;
                let _ = tokio::time::timeout(CONNECTION_TIMEOUT, drive(stream, answers)).await;
            });
        }
    }

    pub(super) fn into_parts(self) -> (TcpListener, LocalEndpoint) {
        (self.listener, self.local)
    }
}

async fn drive(stream: TcpStream, answers: Arc<Answers>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, std::convert::Infallible>(answers.answer(request.into_parts().0).await) }
    });
    // A broken connection concerns its client only.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
