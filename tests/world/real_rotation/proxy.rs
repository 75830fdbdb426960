//! The proxy before the replicas: each request goes to the next replica, and to another if that one does not
//! answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use runmint::http::connections::Connections;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A paused replica accepts connections and never answers.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connections stay open until the test is over: a client could be about to use one.
const NEVER: Duration = Duration::from_hours(1);

/// The current address of each replica.
pub(super) type Addresses = Arc<RwLock<[Option<SocketAddr>; 3]>>;

pub(super) struct Proxy {
    pub(super) base_url: String,
    pub(super) addresses: Addresses,
    /// Serves until this is dropped.
    _stop: watch::Sender<bool>,
}

struct Balancer {
    addresses: Addresses,
    next: AtomicUsize,
    http: reqwest::Client,
}

impl Proxy {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let addresses = Addresses::default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let balancer =
            Arc::new(Balancer { addresses: Arc::clone(&addresses), next: AtomicUsize::new(0), http });
        let (stop, stopped) = watch::channel(false);
        let connections = Connections {
            listener,
            router: Router::new().fallback(pass_on).with_state(balancer),
            tls: None,
            max_connections: 200,
            header_timeout: NEVER,
            shutdown_timeout: PATIENCE,
        };
        tokio::spawn(connections.serve(stopped));
        Self { base_url, addresses, _stop: stop }
    }
}

/// Only GET, which may be repeated.
async fn pass_on(
    State(balancer): State<Arc<Balancer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let addresses = *balancer.addresses.read().unwrap();
    let first = balancer.next.fetch_add(1, Ordering::Relaxed);
    let mut last = StatusCode::BAD_GATEWAY.into_response();
    for step in 0..addresses.len() {
        let Some(address) = addresses[(first + step) % addresses.len()] else { continue };
        match ask(&balancer.http, address, &uri, &headers).await {
            Ok(answer) if answer.status().is_server_error() => last = answer,
            Ok(answer) => return answer,
            Err(_) => {}
        }
    }
    last
}

async fn ask(
    http: &reqwest::Client,
    address: SocketAddr,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, reqwest::Error> {
    let mut request = http.get(format!("http://{address}{uri}"));
    if let Some(credentials) = headers.get(header::AUTHORIZATION) {
        request = request.header(header::AUTHORIZATION, credentials);
    }
    let answer = request.send().await?;
    let mut response = Response::builder().status(answer.status());
    for name in [header::CONTENT_TYPE, header::CACHE_CONTROL, header::ETAG] {
        if let Some(value) = answer.headers().get(&name) {
            response = response.header(name, value);
        }
    }
    Ok(response.body(Body::from(answer.bytes().await?)).expect("these headers were one already"))
}
