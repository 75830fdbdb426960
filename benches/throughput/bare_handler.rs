//! The lower bound for serving a JWKS: an axum handler that returns the same bytes and does nothing else, in
//! a process of its own, on as many threads as the server has.

use std::convert::Infallible;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::server::{Process, free_port};
use crate::wire;

pub(crate) struct BareHandler {
    pub(crate) port: u16,
    _process: Process,
}

impl BareHandler {
    pub(crate) async fn start(body: &[u8]) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        let process = Process::with_input(command.args(["--bare-handler", &port.to_string()]), body)?;
        while wire::once(port, &wire::get("/", port, None), 200).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self { port, _process: process })
    }

    pub(crate) fn request(&self) -> Vec<u8> {
        wire::get("/", self.port, None)
    }
}

/// Serves the bytes from standard input.
pub(crate) fn serve(port: u16) -> Result<()> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let handler = move || async move { ([(CONTENT_TYPE, "application/json")], body) };
    let router = Router::new().route("/", get(handler));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(accept(port, router))
}

async fn accept(port: u16, router: Router) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.context("the bare handler cannot listen")?;
    serve_on(listener, router).await;
    Ok(())
}

/// Runs until no more connections can be accepted.
pub(crate) async fn serve_on(listener: TcpListener, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = router.clone().oneshot(request.map(Body::new));
                async { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
