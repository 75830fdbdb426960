//! The runs that a document is tested against.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::api::runs::{Preview, Run, RunPage};
use crate::cli::api::client::{Client, with_query};
use crate::cli::api::pages;
use crate::cli::terminal::arguments::attribute;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::clouds::trust_documents::review::Candidate;
use crate::clouds::trust_documents::token::TokenClaims;
use crate::issuer::organization_name::OrganizationName;

#[derive(Args)]
pub(super) struct Against {
    /// The organization of the runs
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
    /// The most recent runs, e.g. last:500
    #[arg(long, value_name = "last:N", value_parser = last, requires = "org")]
    runs: Option<usize>,
    /// An attribute of a hypothetical run; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute, requires = "org")]
    attributes: Vec<(String, String)>,
    /// The service of the hypothetical run
    #[arg(long, default_value = "deploy")]
    service: String,
    /// Claims as a JSON object, or an array of objects; - for standard input
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// A subject of a token of --issuer
    #[arg(long, requires = "issuer")]
    subject: Option<String>,
    /// The issuer of --subject
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// `aud` of the tokens [default: the first audience in the document]
    #[arg(long)]
    audience: Option<String>,
}

impl Against {
    /// `named` are the audiences that the document names.
    pub(super) async fn candidates(self, named: &[String]) -> Result<Vec<Candidate>, Failure> {
        let mut found = Vec::new();
        let assumed = self.audience.as_deref().or(named.first().map(String::as_str));
        if let Some(path) = &self.claims {
            found.extend(of_file(path)?);
        }
        if let (Some(subject), Some(issuer)) = (&self.subject, &self.issuer) {
            let claims = [("iss", Some(issuer.as_str())), ("sub", Some(subject)), ("aud", assumed)];
            let claims = claims.map(|(name, value)| (name.to_owned(), value.into()));
            found.push(candidate("--subject", claims.into_iter().collect(), None));
        }
        if let Some(org) = &self.org
            && (self.runs.is_some() || !self.attributes.is_empty())
        {
            let client = Client::from_environment()?;
            if let Some(wanted) = self.runs {
                found.extend(self.recorded(&client, org, wanted, assumed).await?);
            }
            if !self.attributes.is_empty() {
                found.push(self.hypothetical(&client, org, assumed).await?);
            }
        }
        if found.is_empty() && self.runs.is_none() {
            return Err(Failure::usage(
                "no runs to test are given: use --runs, --attribute, --claims or --subject",
            ));
        }
        Ok(found)
    }

    async fn recorded(
        &self,
        client: &Client,
        org: &OrganizationName,
        wanted: usize,
        assumed: Option<&str>,
    ) -> Result<Vec<Candidate>, Failure> {
        let path = format!("/api/orgs/{org}/runs");
        // The audience's profile may change subject and claims.
        let filters: Vec<(&str, &str)> = assumed.iter().map(|audience| ("audience", *audience)).collect();
        let runs = listed(client, &path, &filters, wanted).await?;
        if runs.iter().all(|run| run.content.claims.is_some()) {
            return Ok(runs.iter().filter_map(|run| of_run(run, assumed)).collect());
        }
        // Keep runs that get no token for this audience: test them with their own claims.
        let plain = listed(client, &path, &[], wanted).await?;
        let shown = |run: &Run| {
            let same = |one: &&Run| one.id == run.id;
            of_run(run, assumed).or_else(|| of_run(plain.iter().find(same)?, None))
        };
        Ok(runs.iter().filter_map(shown).collect())
    }

    async fn hypothetical(
        &self,
        client: &Client,
        org: &OrganizationName,
        assumed: Option<&str>,
    ) -> Result<Candidate, Failure> {
        let mut attributes = Map::new();
        for (name, value) in &self.attributes {
            if attributes.insert(name.clone(), value.as_str().into()).is_some() {
                return Err(Failure::usage(format!("attribute {name} is given twice")));
            }
        }
        let query: Vec<(&str, &str)> = assumed.map(|audience| ("audience", audience)).into_iter().collect();
        let path = with_query(&format!("/api/orgs/{org}/runs/preview"), &query);
        let body = json!({"service": self.service, "attributes": attributes});
        let Preview { content, .. } = client.post(&path, &body).await?.parsed;
        content.claims.map(|claims| candidate("hypothetical", claims, assumed)).ok_or_else(|| {
            Failure::failed(format!(
                "such a run gets no token for this audience: {}",
                content.refused.unwrap_or_default()
            ))
        })
    }
}

async fn listed(
    client: &Client,
    path: &str,
    filters: &[(&str, &str)],
    wanted: usize,
) -> Result<Vec<Run>, Failure> {
    let list = pages::List { path, filters };
    Ok(list.fetch::<RunPage>(client, Some(wanted)).await?.parsed.runs)
}

/// A run with the audience, if it may request it.
fn of_run(run: &Run, assumed: Option<&str>) -> Option<Candidate> {
    let allowed = run.audiences.as_deref().unwrap_or_default();
    let may = |audience: &&str| allowed.is_empty() || allowed.iter().any(|one| one == audience);
    Some(candidate(&run.id.to_string(), run.content.claims.clone()?, assumed.filter(may)))
}

fn candidate(name: &str, claims: Map<String, Value>, audience: Option<&str>) -> Candidate {
    let token = TokenClaims::new(claims);
    let token = match audience {
        Some(audience) => token.with("aud", audience),
        None => token,
    };
    Candidate { name: name.to_owned(), token }
}

fn of_file(path: &Path) -> Result<Vec<Candidate>, Failure> {
    let each = match json_of(path)? {
        Value::Array(several) => several,
        one => vec![one],
    };
    let of = |(index, claims): (usize, Value)| match claims {
        Value::Object(claims) => Ok(candidate(&format!("claims[{index}]"), claims, None)),
        _ => {
            Err(Failure::usage(format!("could not read the claims in {}: not a JSON object", path.display())))
        }
    };
    each.into_iter().enumerate().map(of).collect()
}

fn last(text: &str) -> Result<usize, String> {
    let count = text.strip_prefix("last:").and_then(|count| count.parse().ok());
    count
        .filter(|count| (1..=10_000).contains(count))
        .ok_or_else(|| "not last:N with N from 1 to 10000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_tested_with_an_audience_that_it_may_request() {
        let run = |audiences: Value| -> Run {
            serde_json::from_value(json!({
                "id": "00000000-0000-4000-8000-000000000001", "organization": "acme", "service": "deploy",
                "state": "finished", "attributes": {}, "audiences": audiences, "cloud": {}, "origin": null,
                "created_at": "2026-11-21T10:00:00Z", "expires_at": "2026-11-21T11:00:00Z", "ended_at": null,
                "subject": "s", "claims": {"aud": "acme", "sub": "s"},
            }))
            .unwrap()
        };
        let aud =
            |audiences: Value| of_run(&run(audiences), Some("sts")).unwrap().token.audiences().join(",");
        assert_eq!(aud(json!([])), "sts");
        assert_eq!(aud(json!(["other", "sts"])), "sts");
        assert_eq!(aud(json!(["other"])), "acme");
        assert_eq!(last("last:500"), Ok(500));
        for bad in ["", "500", "last:", "last:0", "last:10001", "last:-1"] {
            assert!(last(bad).is_err(), "{bad}");
        }
    }
}
