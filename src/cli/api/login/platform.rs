//! The token that a platform gives its jobs, found through the job's environment.

use std::path::Path;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cli::api::client::Client;
use crate::cli::api::foreign_token;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::issuer::organization_name::OrganizationName;

/// A token projected for runmint. Never the default one of every pod, with which the recipient could act in the
/// cluster itself.
const KUBERNETES_FILE: &str = "/var/run/secrets/tokens/runmint";

pub(super) struct Platform {
    name: &'static str,
    source: Source,
}

enum Source {
    Value(Zeroizing<String>),
    File(&'static str),
    /// The request protocol of GitHub Actions.
    Request {
        url: String,
        token: Zeroizing<String>,
    },
    AzureDevops {
        url: String,
        token: Zeroizing<String>,
        service_connection: Option<String>,
    },
}

/// The variables and files of a job.
struct Surroundings<'s> {
    variable: &'s dyn Fn(&str) -> Option<String>,
    is_file: &'s dyn Fn(&str) -> bool,
}

impl Platform {
    pub(super) fn find() -> Result<Self, Failure> {
        Surroundings { variable: &variable, is_file: &|path| Path::new(path).is_file() }.platform()
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// A token whose audience is this organization, if the platform lets its jobs choose.
    pub(super) async fn token(self, organization: &OrganizationName) -> Result<Zeroizing<String>, Failure> {
        let token = self.source.token(organization).await;
        token.map_err(|failure| failure.because(format!("could not get the token of {}", self.name)))
    }
}

impl Source {
    async fn token(self, organization: &OrganizationName) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::Value(token) => Ok(token),
            Self::File(path) => foreign_token::of_file(path),
            Self::Request { url, token } => {
                let url = with(&url, &[("audience", &format!("urn:runmint:org:{organization}"))])?;
                taken(Client::of_platform(&url, token)?.get::<RequestedToken>(&url).await?.parsed.value)
            }
            Self::AzureDevops { url, token, service_connection } => {
                let mut pairs = vec![("api-version", "7.1")];
                pairs.extend(service_connection.as_deref().map(|id| ("serviceConnectionId", id)));
                let url = with(&url, &pairs)?;
                let client = Client::of_platform(&url, token)?;
                taken(client.post::<AzureDevopsToken>(&url, &Nothing {}).await?.parsed.oidc_token)
            }
        }
    }
}

impl Surroundings<'_> {
    fn platform(&self) -> Result<Platform, Failure> {
        let found = None
            .or_else(|| Some(("RUNMINT_OIDC_TOKEN", self.value("RUNMINT_OIDC_TOKEN")?)))
            .or_else(|| Some(("a run of runmint", self.request("RUNMINT")?)))
            .or_else(|| Some(("GitHub Actions", self.request("ACTIONS")?)))
            .or_else(|| Some(("GitLab", self.value("GITLAB_OIDC_TOKEN")?)))
            .or_else(|| Some(("Azure DevOps", self.azure_devops()?)))
            .or_else(|| Some(("Kubernetes", self.kubernetes()?)));
        let (name, source) = found.ok_or_else(|| Failure::usage(self.what_is_missing()))?;
        Ok(Platform { name, source })
    }

    fn value(&self, name: &str) -> Option<Source> {
        (self.variable)(name).map(|token| Source::Value(Zeroizing::new(token)))
    }

    fn request(&self, family: &str) -> Option<Source> {
        let url = (self.variable)(&format!("{family}_ID_TOKEN_REQUEST_URL"))?;
        let token = Zeroizing::new((self.variable)(&format!("{family}_ID_TOKEN_REQUEST_TOKEN"))?);
        Some(Source::Request { url, token })
    }

    fn azure_devops(&self) -> Option<Source> {
        let url = (self.variable)("SYSTEM_OIDCREQUESTURI")?;
        let token = Zeroizing::new((self.variable)("SYSTEM_ACCESSTOKEN")?);
        let service_connection = (self.variable)("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID");
        Some(Source::AzureDevops { url, token, service_connection })
    }

    fn kubernetes(&self) -> Option<Source> {
        (self.is_file)(KUBERNETES_FILE).then_some(Source::File(KUBERNETES_FILE))
    }

    /// How to ask the platform for a token, if it gives one only on request.
    fn what_is_missing(&self) -> &'static str {
        let is_set = |name: &str| (self.variable)(name).is_some();
        if is_set("GITHUB_ACTIONS") {
            "GitHub Actions gives this job no token: add `permissions: id-token: write` to the workflow"
        } else if is_set("GITLAB_CI") {
            "GitLab gives this job no token: add `id_tokens: RUNMINT_OIDC_TOKEN: aud: urn:runmint:org:ORG` to the job"
        } else if is_set("TF_BUILD") {
            "Azure DevOps gives this step no token: add `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)` to it"
        } else if is_set("KUBERNETES_SERVICE_HOST") {
            "Kubernetes gives this pod no token for runmint: project one with the audience urn:runmint:org:ORG to /var/run/secrets/tokens/runmint"
        } else {
            "no platform's token was found; `runmint login --help` lists where --oidc-auto looks"
        }
    }
}

fn with(url: &str, pairs: &[(&str, &str)]) -> Result<String, Failure> {
    let mut url = Url::parse(url)
        .map_err(|error| Failure::usage(format!("the platform's request URL is not valid: {error}")))?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.into())
}

fn taken(token: String) -> Result<Zeroizing<String>, Failure> {
    if token.is_empty() {
        return Err(Failure::failed("the platform's answer contains no token"));
    }
    Ok(Zeroizing::new(token))
}

/// The answer in the request protocol of GitHub Actions.
#[derive(Deserialize)]
struct RequestedToken {
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureDevopsToken {
    oidc_token: String,
}

/// `{}`, without which Azure DevOps refuses a POST.
#[derive(Serialize)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], files: &[&str]) -> Result<&'static str, String> {
        let variable =
            |name: &str| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        let surroundings = Surroundings { variable: &variable, is_file: &|path| files.contains(&path) };
        surroundings.platform().map(|platform| platform.name).map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_platform_is_recognized_by_its_variables() {
        let github = [("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")];
        let azure = [("SYSTEM_OIDCREQUESTURI", "https://x"), ("SYSTEM_ACCESSTOKEN", "t")];
        assert_eq!(found(&github, &[]), Ok("GitHub Actions"));
        assert_eq!(found(&[("GITLAB_OIDC_TOKEN", "t")], &[]), Ok("GitLab"));
        assert_eq!(found(&azure, &[]), Ok("Azure DevOps"));
        assert_eq!(found(&[], &[KUBERNETES_FILE]), Ok("Kubernetes"));
        // A runner of GitHub in a cluster is GitHub's.
        assert_eq!(found(&github, &[KUBERNETES_FILE]), Ok("GitHub Actions"));
        // The token for the cluster itself is never used.
        assert!(found(&[], &["/var/run/secrets/kubernetes.io/serviceaccount/token"]).is_err());
        let said = [("RUNMINT_OIDC_TOKEN", "t"), github[0], github[1]];
        assert_eq!(found(&said, &[]), Ok("RUNMINT_OIDC_TOKEN"));
    }

    #[test]
    fn a_platform_without_a_token_is_named_with_the_remedy() {
        for (variable, remedy) in [
            ("GITHUB_ACTIONS", "id-token: write"),
            ("GITLAB_CI", "id_tokens"),
            ("TF_BUILD", "System.AccessToken"),
            ("KUBERNETES_SERVICE_HOST", "/var/run/secrets/tokens/runmint"),
            ("OTHER", "login --help"),
        ] {
            let missing = found(&[(variable, "true")], &[]).unwrap_err();
            assert!(missing.contains(remedy), "{missing}");
        }
    }

    #[test]
    fn parameters_are_appended_encoded() {
        let url = with("https://x.example/t?a=1", &[("audience", "urn:runmint:org:acme")]).unwrap();
        assert_eq!(url, "https://x.example/t?a=1&audience=urn%3Arunmint%3Aorg%3Aacme");
    }
}
