//! The network address that a request comes from, for the record.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Api;

/// The other end of the connection, set by the accept loop.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The caller: behind a proxy the address that the proxy saw, else the other end of the connection.
pub struct CallerAddress(pub String);

impl FromRequestParts<Arc<Api>> for CallerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.ip());
        // Only the last entry is the proxy's own; the ones before it are what the client claimed.
        let forwarded = api.behind_proxy.then(|| {
            let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        });
        let address = forwarded.flatten().or(peer);
        Ok(Self(address.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())))
    }
}
