//! `runmint doctor`

mod certificate;
mod discovered;
mod documents;
mod finding;
mod key_set;
mod server;

use clap::Args;
use reqwest::Url;
use serde::Serialize;
use serde_json::json;

use self::finding::{Finding, Outcome};
use crate::cli::api::client::Client;
use crate::cli::api::connection::is_loopback;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Colour, Format, paint, safe};
use crate::clock::{Clock, SystemClock};

/// Check a deployment the way a cloud sees it, and say how to mend each fault
///
/// Run it from outside the server's network, where clouds are: it asks the public address over https and trusts the
/// authorities of this machine. With an admin token of the same server (RUNMINT_URL and RUNMINT_ACCESS_TOKEN, or a
/// login) it also checks the keys and the processes.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint doctor https://id.example.com/oidc
  runmint doctor https://id.example.com
  RUNMINT_URL=https://id.example.com RUNMINT_ACCESS_TOKEN=… runmint doctor
  runmint doctor https://id.example.com/oidc --output json | jq '.findings[] | select(.outcome != \"ok\")'

Exit codes, as monitors read them: 0 all is well, 1 something needs attention, 2 clouds cannot rely on it.")]
pub(in crate::cli) struct Doctor {
    /// The issuer, or the server [default: RUNMINT_URL]
    url: Option<String>,
}

/// The result, as `--output json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    url: &'a str,
    /// The worst of all findings.
    outcome: Outcome,
    findings: &'a [Finding],
}

impl Doctor {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let given = self.url.or_else(|| variable("RUNMINT_URL"));
        let given = given.ok_or_else(|| {
            Failure::usage("no URL is given: name the issuer or the server, or set RUNMINT_URL")
        })?;
        let as_given = given.trim();
        let given = as_given.trim_end_matches('/').to_owned();
        let url =
            Url::parse(&given).map_err(|error| Failure::usage(format!("could not read the URL: {error}")))?;
        if url.username() != ""
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(Failure::usage(
                "the URL has a user name, a query or a fragment: the URL of an issuer has none of these",
            ));
        }
        let mut findings = vec![address(&url)];
        if as_given != given && url.path() != "/" {
            findings.push(Finding::warning(
                "slash",
                format!("{as_given} ends in a slash, but the issuer does not"),
                "To a cloud these are two different issuers: register it without the slash.",
            ));
        }
        let client = Client::of_examination(&given)?;
        let now = SystemClock.now();
        let found = documents::examine(&client, &given, now, &mut findings).await;
        if let Some(document) = &found {
            key_set::examine(&client, document, &mut findings).await;
            server::examine(&client, document, now, &mut findings).await;
        }
        let worst = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Ok);
        let report = Report { url: &given, outcome: worst, findings: &findings };
        output::print(output, &json!(report), |_| described(&findings))?;
        match worst {
            Outcome::Ok | Outcome::Skipped => Ok(()),
            Outcome::Warning => Err(Failure::failed("something needs attention")),
            Outcome::Failure => Err(Failure::critical("clouds cannot rely on this deployment")),
        }
    }
}

/// Whether clouds can reach the address.
fn address(url: &Url) -> Finding {
    let name = "address";
    if is_loopback(url) {
        return Finding::warning(
            name,
            format!("{url} is on this machine only"),
            "Good enough for trials. Clouds need a public https address.",
        );
    }
    if url.scheme() != "https" {
        return Finding::failure(
            name,
            format!("{url} is not https"),
            "Clouds fetch keys over https only: terminate TLS in front of the server, or set `tls_certificate_file`.",
        );
    }
    let private = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(url::Host::Ipv6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        _ => false,
    };
    if private {
        return Finding::warning(
            name,
            format!("{url} is in a private network"),
            "Clouds reach public addresses only. Vault and Kubernetes may be in the same network.",
        );
    }
    Finding::ok(name, url.as_str())
}

fn described(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let mark = match finding.outcome {
            Outcome::Ok => paint(Colour::Green, "ok     "),
            Outcome::Warning => paint(Colour::Yellow, "warning"),
            Outcome::Failure => paint(Colour::Red, "failure"),
            Outcome::Skipped => "skipped".to_owned(),
        };
        let remedy =
            finding.remedy.as_ref().map(|remedy| format!("         {:width$}  {}\n", "", safe(remedy)));
        format!(
            "{mark}  {:width$}  {}\n{}",
            safe(&finding.name),
            safe(&finding.detail),
            remedy.unwrap_or_default()
        )
    };
    findings.iter().map(line).collect()
}
