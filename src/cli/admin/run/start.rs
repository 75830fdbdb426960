//! `runmint run start` and `runmint run preview`

use clap::Args;
use serde::de::DeserializeOwned;

use crate::api::runs::{self as api, Run, RunEnvironment, StartRun, StartedRun};
use crate::cli::api::answer::Answer;
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::arguments::{attribute, duration};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::limits;
use crate::cli::terminal::output::{Format, pretty, remark, safe};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::cell;
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::service::Attributes;
use crate::issuer::subject::MAX_SUBJECT_BYTES;

/// Start a run and print the environment for its runner
///
/// Prints lines for a shell to evaluate on standard output, and a summary on standard error. Two of the
/// variables are secrets, which are shown only once. --output json prints the whole answer.
#[derive(Args)]
#[command(after_help = "Examples:
  eval \"$(runmint run start --org acme project=website stack=prod operation=update)\"
  runmint run start --org acme --ttl 30m --audience sts.amazonaws.com \\
    project=website stack=prod operation=preview --output json
  runmint run start --org acme --service environment project=website environment=prod")]
pub(in crate::cli) struct Start {
    #[command(flatten)]
    run: Registration,
}

/// Show what a run's tokens would say and which cloud limits they would exceed
///
/// Starts nothing. Exits with 1 if a run like this would be refused.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint run preview --org acme project=website stack=prod operation=update
  runmint run preview --org acme --shown-for sts.amazonaws.com project=website stack=prod operation=update")]
pub(in crate::cli) struct Preview {
    #[command(flatten)]
    run: Registration,
    /// Show what tokens for this audience would say
    #[arg(long, value_name = "AUDIENCE")]
    shown_for: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct Registration {
    /// The organization
    #[arg(long, value_parser = OrganizationName::parse)]
    pub(in crate::cli) org: OrganizationName,
    /// The kind of run
    #[arg(long, default_value = "deploy")]
    pub(in crate::cli) service: String,
    /// Attributes that you vouch for; `deploy` needs project, stack and operation
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = attribute)]
    pub(in crate::cli) attributes: Vec<(String, String)>,
    /// Its deadline from now, e.g. 30m [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) ttl: Option<TextDuration>,
    /// An audience that it may ask for; may be repeated [default: any]
    #[arg(long = "audience", value_name = "AUDIENCE")]
    pub(in crate::cli) audiences: Vec<String>,
}

impl Start {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let started = self.run.post::<StartedRun>("").await?;
        let exports = exports(&started.parsed.environment)?;
        started.print(output, |_| exports)?;
        remark(output, &summary(&started.parsed.run));
        Ok(())
    }
}

impl Preview {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let asked: Vec<_> = self.shown_for.iter().map(|audience| ("audience", audience.as_str())).collect();
        let preview = self.run.post::<api::Preview>(&with_query("/preview", &asked)).await?;
        preview.print(output, describe)?;
        let api::Preview { subject_bytes, content, .. } = preview.parsed;
        if let Some(why) = content.refused {
            return Err(Failure::failed(safe(&why)));
        }
        if subject_bytes > MAX_SUBJECT_BYTES as u64 {
            return Err(Failure::failed(format!(
                "a run like this would be refused: its subject has {subject_bytes} bytes; at most {MAX_SUBJECT_BYTES} are allowed"
            )));
        }
        Ok(())
    }
}

impl Registration {
    pub(in crate::cli) async fn post<T: DeserializeOwned>(self, action: &str) -> Result<Answer<T>, Failure> {
        let path = format!("/api/orgs/{}/runs{action}", self.org);
        Client::from_environment()?.post(&path, &self.request()?).await
    }

    fn request(self) -> Result<StartRun, Failure> {
        let mut attributes = Attributes::new();
        for (key, value) in self.attributes {
            if attributes.contains_key(&key) {
                return Err(Failure::usage(format!("the attribute {key} is given twice")));
            }
            attributes.insert(key, value);
        }
        Ok(StartRun {
            service: self.service,
            attributes,
            ttl_seconds: self.ttl.map(|TextDuration(ttl)| ttl.as_secs()),
            audiences: Some(self.audiences).filter(|audiences| !audiences.is_empty()),
        })
    }
}

/// Lines that are safe to evaluate and to print on a terminal, whatever the server sent. Unknown variables are
/// refused: with `PATH` or `LD_PRELOAD` a server could take over the shell.
fn exports(environment: &RunEnvironment) -> Result<String, Failure> {
    let strange = || {
        Failure::failed(
            "could not print the run's environment: the server sent an unknown variable or a control character",
        )
    };
    if !environment.others.is_empty() {
        return Err(strange());
    }
    let run_id = environment.runmint_run_id.to_string();
    let variables = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", Some(&environment.actions_id_token_request_url)),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", Some(&environment.actions_id_token_request_token)),
        ("RUNMINT_ID_TOKEN_REQUEST_URL", Some(&environment.runmint_id_token_request_url)),
        ("RUNMINT_ID_TOKEN_REQUEST_TOKEN", Some(&environment.runmint_id_token_request_token)),
        ("RUNMINT_RUN_ID", Some(&run_id)),
        ("RUNMINT_URL", Some(&environment.runmint_url)),
        ("RUNMINT_CLOUD_SETTINGS", environment.runmint_cloud_settings.as_ref()),
    ];
    let variables = variables.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let line = |(name, value): (&str, &String)| {
        let plain = !value.chars().any(char::is_control);
        plain.then(|| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
    };
    variables.map(line).collect::<Option<String>>().ok_or_else(strange)
}

fn summary(run: &Run) -> String {
    format!(
        "Run {id} is active until {expires}.\n\
         subject  {subject}\n\n\
         Give the environment above to the runner. It contains the request token, which is shown only once.\n\
         In the run:  runmint id-token --audience AUDIENCE\n\
         At its end:  runmint run finish {id}",
        id = run.id,
        expires = moment(run.expires_at, SystemClock.now(), "-"),
        subject = safe(&cell(&run.content.subject)),
    )
}

fn describe(preview: &api::Preview) -> String {
    let clouds = if preview.cloud.is_empty() {
        String::new()
    } else {
        format!("\n\ncloud\n{}", pretty(&preview.cloud))
    };
    format!(
        "subject ({} bytes)\n  {}\n\nclaims\n{}{clouds}\n\nlimits\n{}",
        preview.subject_bytes,
        safe(&cell(&preview.content.subject)),
        pretty(&preview.content.claims),
        limits::lines(&preview.limits),
    )
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn environment(url: &str) -> RunEnvironment {
        RunEnvironment {
            actions_id_token_request_url: "u".into(),
            actions_id_token_request_token: "t".into(),
            runmint_id_token_request_url: "u".into(),
            runmint_id_token_request_token: "t".into(),
            runmint_run_id: Uuid::nil(),
            runmint_url: url.into(),
            runmint_cloud_settings: None,
            others: IndexMap::new(),
        }
    }

    #[test]
    fn a_shell_gets_exactly_the_value() {
        let expected = "export ACTIONS_ID_TOKEN_REQUEST_URL='u'\n\
                        export ACTIONS_ID_TOKEN_REQUEST_TOKEN='t'\n\
                        export RUNMINT_ID_TOKEN_REQUEST_URL='u'\n\
                        export RUNMINT_ID_TOKEN_REQUEST_TOKEN='t'\n\
                        export RUNMINT_RUN_ID='00000000-0000-0000-0000-000000000000'\n\
                        export RUNMINT_URL='it'\\''s $HOME `x` \\ \"q\"'\n";
        assert_eq!(exports(&environment("it's $HOME `x` \\ \"q\"")).unwrap(), expected);
    }

    #[test]
    fn an_unknown_variable_is_not_given_to_a_shell() {
        for bad in ["RUNMINT_URL;rm", "PATH", "LD_PRELOAD", "RUNMINT_NEW", ""] {
            let mut environment = environment("u");
            environment.others.insert(bad.into(), "x".into());
            assert!(exports(&environment).is_err(), "{bad}");
        }
        assert!(exports(&environment("\u{1b}[2J")).is_err());
    }

    fn registration(attributes: &[(&str, &str)]) -> Registration {
        Registration {
            org: OrganizationName::parse("acme").unwrap(),
            service: "deploy".into(),
            attributes: attributes.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
            ttl: TextDuration::parse("30m"),
            audiences: vec!["sts.amazonaws.com".into()],
        }
    }

    #[test]
    fn the_request_has_what_was_asked_for() {
        let request = registration(&[("project", "a=b"), ("stack", "")]).request().unwrap();
        assert_eq!(
            json!(request),
            json!({
                "service": "deploy",
                "attributes": {"project": "a=b", "stack": ""},
                "ttl_seconds": 1800,
                "audiences": ["sts.amazonaws.com"],
            })
        );
        assert!(registration(&[("project", "a"), ("project", "b")]).request().is_err());
    }
}
