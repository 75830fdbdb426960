//! Connections to servers: which may carry a token, and how their answers are read.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use crate::cli::terminal::failure::Failure;

/// Whether a token may be sent there.
pub(in crate::cli) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

pub(in crate::cli) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(in crate::cli) fn http(
    ca_file: Option<&Path>,
    timeout: Duration,
    url: &Url,
) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("runmint/", env!("CARGO_PKG_VERSION")))
        // A redirect could carry the credential to another host.
        .redirect(Policy::none())
        .tls_info(true)
        .timeout(timeout);
    if is_loopback(url) {
        // Requests to this machine may be unencrypted; a proxy would take them off it.
        builder = builder.no_proxy();
    }
    if let Some(path) = ca_file {
        let fault = |error: &dyn Error| {
            Failure::usage(format!("could not read RUNMINT_CA_FILE {}: {error}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| fault(&error))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| fault(&error))?;
        if roots.is_empty() {
            return Err(Failure::usage(format!(
                "could not use RUNMINT_CA_FILE {}: it contains no certificate",
                path.display()
            )));
        }
        builder = builder.tls_certs_merge(roots);
    } else if url.scheme() == "http" {
        // HTTP needs no certificate authorities, and a machine may have none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        Failure::failed(format!("could not set up the HTTP client: {}", with_causes(&error)))
    })
}

pub(in crate::cli) async fn read(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(Failure::failed(format!(
                "could not read the answer: it has more than {most} bytes; check the server's URL"
            )));
        }
    }
    Ok(bytes)
}

pub(in crate::cli) fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::unreachable(format!("could not reach the server: {}", with_causes(error)))
}

pub(in crate::cli) fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
