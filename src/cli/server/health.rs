//! `runmint health`

use std::time::Duration;

use clap::Args;

use crate::cli::api::connection::with_causes;
use crate::cli::server::settings::SettingFlags;
use crate::cli::terminal::failure::Failure;
use crate::config::Transport;

/// Check that the configured server on this machine is alive
///
/// Exits with 0 if it answers and with 5 if it does not: for container health checks.
#[derive(Args)]
pub(in crate::cli) struct Health {
    #[command(flatten)]
    settings: SettingFlags,
}

impl Health {
    pub(in crate::cli) async fn execute(self) -> Result<(), Failure> {
        let settings = self.settings.load()?;
        let mut address = settings.listen;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = match settings.transport {
            Transport::Plain { .. } => "http",
            Transport::Tls { .. } | Transport::DevTls { .. } => "https",
        };
        let url = format!("{scheme}://{address}{}/healthz", settings.base_url.path());
        let client = reqwest::Client::builder()
            // The certificate is for the public name, and the request sends and trusts nothing secret.
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(3))
            .build()
            .map_err(Failure::failed)?;
        match client.get(&url).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Failure::unreachable(format!("{url} answered {}", response.status()))),
            Err(error) => Err(Failure::unreachable(format!(
                "could not reach {url}: {}",
                with_causes(&error.without_url())
            ))),
        }
    }
}
