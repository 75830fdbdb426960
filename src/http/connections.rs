//! The accept loop: how many clients there may be, how long each may dawdle, and how all of them end.
//!
//! `axum::serve` has no timer for request heads, so connections are driven here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::patience::Patience;
use super::peer::Peer;
use super::problem::bare;

/// A request's head larger than this is refused with 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Pause after the operating system refused to hand over a connection (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are told at once why they are not taken, and how long that may take.
const DOORMEN: usize = 64;
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Connections {
    pub listener: TcpListener,
    pub router: Router,
    pub tls: Option<TlsAcceptor>,
    pub max_connections: u32,
    pub header_timeout: Duration,
    pub shutdown_timeout: Duration,
}

impl Connections {
    /// Serves until `stop` turns true, then takes no more connections, lets requests in flight finish
    /// within the shutdown timeout, and returns how many connections were cut off after it.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) -> usize {
        let max = self.max_connections as usize;
        let slots = Arc::new(Semaphore::new(max));
        let doormen = Arc::new(Semaphore::new(DOORMEN));
        let one = Arc::new(Connection {
            router: self.router,
            tls: self.tls,
            header_timeout: self.header_timeout,
            stop: stop.clone(),
        });
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => drop(tokio::spawn(Arc::clone(&one).drive(stream, peer, slot))),
                    Err(_) => refuse(stream, one.tls.is_some(), &doormen),
                },
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let all_done = slots.acquire_many(self.max_connections);
        match timeout(self.shutdown_timeout, all_done).await {
            Ok(_) => 0,
            Err(_) => max - slots.available_permits(),
        }
    }
}

/// What all connections have in common.
struct Connection {
    router: Router,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn drive(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        // Answers are written whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let stream = Patience::new(stream, self.header_timeout);
        match &self.tls {
            None => self.speak_http(stream, peer).await,
            Some(tls) => {
                let mut stop = self.stop.clone();
                let handshake = tokio::select! {
                    handshake = timeout(self.header_timeout, tls.accept(stream)) => handshake,
                    // No request has begun, so there is nothing to finish.
                    () = stopped(&mut stop) => return,
                };
                match handshake {
                    Ok(Ok(stream)) => self.speak_http(stream, peer).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                }
            }
        }
    }

    async fn speak_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr) {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let mut router = self.router.clone();
            async move {
                if head_bytes(&request) > MAX_HEAD_BYTES {
                    return Ok(bare::head_too_large());
                }
                router.call(request.map(Body::new)).await
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended early");
        }
    }
}

/// Returns when `stop` is true, or its sender was dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// hyper looks at its limit only between two reads, so a head that comes in one piece may pass it.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.method().as_str().len() + target + headers.sum::<usize>()
}

/// Past the limit: a word to a client that would understand it, then the door. Where even these are too
/// many at once, only the door.
fn refuse(mut stream: TcpStream, tls: bool, doormen: &Arc<Semaphore>) {
    tracing::warn!("connection refused: max_connections are open");
    let Ok(doorman) = Arc::clone(doormen).try_acquire_owned() else { return };
    if tls {
        return;
    }
    tokio::spawn(async move {
        let farewell = async {
            stream.write_all(bare::TOO_MANY_CONNECTIONS.as_bytes()).await?;
            stream.shutdown().await?;
            // To close with something unread is a reset, which would take the answer away again.
            let mut unread = stream.take(MAX_HEAD_BYTES as u64);
            tokio::io::copy(&mut unread, &mut tokio::io::sink()).await
        };
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
        drop(doorman);
    });
}
