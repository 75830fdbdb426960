//! The environment of a command: the variables by which unmodified SDKs and tools of each cloud find their credentials,
//! and the inherited variables to remove because they would take precedence.

pub mod aws;
pub mod azure;
pub mod google;

use std::collections::BTreeMap;

use url::form_urlencoded;
use zeroize::Zeroizing;

/// The local endpoint of a run, and the token that it requires.
pub struct LocalEndpoint {
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    /// 256 random bits, in characters that are valid in a header.
    pub token: Zeroizing<String>,
}

impl LocalEndpoint {
    /// The path for the run's tokens.
    pub const ID_TOKEN_PATH: &str = "/id-token";
    /// The path for AWS credentials.
    pub const AWS_PATH: &str = "/aws/credentials";

    /// The URL of GitHub's request protocol for any audience: clients append `&audience=`.
    pub fn id_token_url(&self) -> String {
        format!("{}{}?api-version=1", self.origin, Self::ID_TOKEN_PATH)
    }

    /// The URL for one audience, for clients that append nothing.
    pub fn id_token_url_for(&self, audience: &str) -> String {
        let encoded: String = form_urlencoded::byte_serialize(audience.as_bytes()).collect();
        format!("{}&audience={encoded}", self.id_token_url())
    }

    /// The URL of the AWS credentials.
    pub fn aws_url(&self) -> String {
        format!("{}{}", self.origin, Self::AWS_PATH)
    }

    /// The value of the header `Authorization`.
    pub fn authorization(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.token.as_str()))
    }
}

/// Changes to an environment: variables to set or to remove.
#[derive(Default)]
pub struct Handover(BTreeMap<String, Option<Zeroizing<String>>>);

impl Handover {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), Some(Zeroizing::new(value.into())));
    }

    /// Removes variables, except those that are set here, before or after.
    pub fn take_out(&mut self, names: &[&str]) {
        for name in names {
            self.0.entry((*name).to_owned()).or_insert(None);
        }
    }

    /// Sets the variables of GitHub's request protocol to the local endpoint, with the prefixes `ACTIONS` and
    /// `RUNMINT`.
    pub fn request_protocol(&mut self, endpoint: &LocalEndpoint) {
        for family in ["ACTIONS", "RUNMINT"] {
            self.set(&format!("{family}_ID_TOKEN_REQUEST_URL"), endpoint.id_token_url());
            self.set(&format!("{family}_ID_TOKEN_REQUEST_TOKEN"), endpoint.token.as_str());
        }
    }

    /// Keeps requests to the local endpoint, which carry its token, away from proxies. Clients read `no_proxy`,
    /// `NO_PROXY` or both.
    pub fn past_proxies(&mut self, inherited: &dyn Fn(&str) -> Option<String>) {
        let is_set = |name: &&str| inherited(name).is_some();
        if !["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].iter().any(is_set) {
            return;
        }
        let exceptions = inherited("no_proxy").or_else(|| inherited("NO_PROXY")).unwrap_or_default();
        let already = exceptions.split(',').any(|one| matches!(one.trim(), "127.0.0.1" | "*"));
        let with_us = match exceptions.as_str() {
            _ if already => exceptions,
            "" => "127.0.0.1".to_owned(),
            some => format!("{some},127.0.0.1"),
        };
        for name in ["no_proxy", "NO_PROXY"] {
            self.set(name, with_us.clone());
        }
    }

    /// Each change: a value, or `None` to remove the variable.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.as_str())))
    }

    /// The inherited variables that are removed.
    pub fn taken_out_of(&self, inherited: &dyn Fn(&str) -> Option<String>) -> Vec<&str> {
        let taken_out = self.changes().filter(|(_, value)| value.is_none());
        taken_out.map(|(name, _)| name).filter(|name| inherited(name).is_some()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn endpoint() -> LocalEndpoint {
        LocalEndpoint { origin: "http://127.0.0.1:4242".into(), token: Zeroizing::new("local".into()) }
    }

    /// `NAME=VALUE` of each variable that is set.
    pub(crate) fn lines(handover: &Handover) -> Vec<String> {
        handover.changes().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect()
    }

    #[test]
    fn a_variable_that_is_set_is_not_removed() {
        let mut handover = Handover::default();
        handover.set("A", "1");
        handover.take_out(&["A", "B", "C"]);
        handover.set("B", "2");
        assert_eq!(lines(&handover), ["A=1", "B=2"]);
        let inherited = |name: &str| (name != "C").then(|| "x".to_owned());
        assert!(handover.taken_out_of(&inherited).is_empty());
        assert_eq!(handover.taken_out_of(&|_| Some(String::new())), ["C"]);
    }

    #[test]
    fn github_tools_find_the_local_endpoint() {
        let mut handover = Handover::default();
        handover.request_protocol(&endpoint());
        assert_eq!(
            lines(&handover),
            [
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN=local",
                "ACTIONS_ID_TOKEN_REQUEST_URL=http://127.0.0.1:4242/id-token?api-version=1",
                "RUNMINT_ID_TOKEN_REQUEST_TOKEN=local",
                "RUNMINT_ID_TOKEN_REQUEST_URL=http://127.0.0.1:4242/id-token?api-version=1",
            ]
        );
        assert!(endpoint().id_token_url_for("a://b&c").ends_with("?api-version=1&audience=a%3A%2F%2Fb%26c"));
    }

    #[test]
    fn requests_to_this_machine_bypass_proxies() {
        let with = |inherited: &[(&str, &str)]| {
            let mut handover = Handover::default();
            let variable = |name: &str| {
                inherited.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
            };
            handover.past_proxies(&variable);
            lines(&handover)
        };
        assert_eq!(with(&[("NO_PROXY", "a")]), [""; 0]);
        let proxy = ("http_proxy", "http://proxy:3128");
        assert_eq!(with(&[proxy]), ["NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"]);
        assert_eq!(with(&[proxy, ("NO_PROXY", "a,b")]), ["NO_PROXY=a,b,127.0.0.1", "no_proxy=a,b,127.0.0.1"]);
        assert_eq!(with(&[proxy, ("no_proxy", "127.0.0.1")]), ["NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"]);
    }
}
