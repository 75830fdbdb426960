//! `runmint run start` and `runmint run preview`

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::arguments::{attribute, duration};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::limits;
use crate::cli::terminal::output::{self, Format, pretty, remark, safe};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::cell;
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::subject::MAX_SUBJECT_BYTES;

/// Start a run and print the environment for its runner
///
/// Standard output gets lines for a shell to evaluate; two of the variables are secrets, which are shown
/// this once. What people want to know goes to standard error. With --output json the whole answer is
/// printed.
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

/// Show what a run's tokens would say, and which limits they would break
///
/// Nothing is registered. Exit code 1 when a run like this would be refused.
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
    /// What kind of run it is
    #[arg(long, default_value = "deploy")]
    pub(in crate::cli) service: String,
    /// What you vouch for; `deploy` needs project, stack and operation
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = attribute)]
    pub(in crate::cli) attributes: Vec<(String, String)>,
    /// When it ends at the latest, e.g. 30m [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) ttl: Option<TextDuration>,
    /// An audience that it may ask for; may be repeated [default: any]
    #[arg(long = "audience", value_name = "AUDIENCE")]
    pub(in crate::cli) audiences: Vec<String>,
}

impl Start {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let started = self.run.post("").await?;
        let exports = exports(&started["environment"])?;
        output::print(output, &started, |_| exports)?;
        remark(output, &summary(&started));
        Ok(())
    }
}

impl Preview {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let asked: Vec<_> = self.shown_for.iter().map(|audience| ("audience", audience.as_str())).collect();
        let preview = self.run.post(&with_query("/preview", &asked)).await?;
        output::print(output, &preview, describe)?;
        if let Some(why) = preview["refused"].as_str() {
            return Err(Failure::failed(safe(why)));
        }
        match preview["subject_bytes"].as_u64() {
            Some(bytes) if bytes > MAX_SUBJECT_BYTES as u64 => Err(Failure::failed(format!(
                "a run like this would be refused: its subject has {bytes} bytes, {MAX_SUBJECT_BYTES} at most are allowed"
            ))),
            _ => Ok(()),
        }
    }
}

impl Registration {
    pub(in crate::cli) async fn post(self, action: &str) -> Result<Value, Failure> {
        let path = format!("/api/orgs/{}/runs{action}", self.org);
        Client::from_environment()?.post(&path, Some(&self.body()?)).await
    }

    fn body(self) -> Result<Value, Failure> {
        let mut attributes = Map::new();
        for (key, value) in self.attributes {
            if attributes.contains_key(&key) {
                return Err(Failure::usage(format!("attribute {key} is given twice")));
            }
            attributes.insert(key, value.into());
        }
        let mut body = json!({"service": self.service, "attributes": attributes});
        if let Some(TextDuration(ttl)) = self.ttl {
            body["ttl_seconds"] = ttl.as_secs().into();
        }
        if !self.audiences.is_empty() {
            body["audiences"] = self.audiences.into();
        }
        Ok(body)
    }
}

/// What a run's environment consists of. A server that sends more is not obeyed: `PATH` or `LD_PRELOAD`
/// would make it master of the shell.
const ENVIRONMENT: [&str; 7] = [
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "RUNMINT_ID_TOKEN_REQUEST_URL",
    "RUNMINT_ID_TOKEN_REQUEST_TOKEN",
    "RUNMINT_RUN_ID",
    "RUNMINT_URL",
    "RUNMINT_CLOUD_SETTINGS",
];

/// Lines that are safe to evaluate, and to see on a terminal, whatever the server sent.
fn exports(environment: &Value) -> Result<String, Failure> {
    let strange = || Failure::failed("the answer's environment is not one: is this runmint?");
    let variables = environment.as_object().ok_or_else(strange)?;
    let line = |(name, value): (&String, &Value)| {
        let known = ENVIRONMENT.contains(&name.as_str());
        let value = value.as_str().filter(|value| known && !value.chars().any(char::is_control))?;
        Some(format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
    };
    variables.iter().map(line).collect::<Option<String>>().ok_or_else(strange)
}

fn summary(run: &Value) -> String {
    let text = |name: &str| safe(&cell(&run[name]));
    let expires = safe(&moment(&run["expires_at"], SystemClock.now(), "-"));
    format!(
        "Run {id} is active until {expires}.\n\
         subject  {subject}\n\n\
         Give the environment above to the runner; it holds the request token, which is shown this once.\n\
         In the run:  runmint id-token --audience WHOM\n\
         At its end:  runmint run finish {id}",
        id = text("id"),
        subject = text("subject"),
    )
}

fn describe(preview: &Value) -> String {
    let limits = preview["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let clouds = match preview["cloud"].as_object() {
        Some(clouds) if !clouds.is_empty() => format!("\n\ncloud\n{}", pretty(&preview["cloud"])),
        _ => String::new(),
    };
    format!(
        "subject ({} bytes)\n  {}\n\nclaims\n{}{clouds}\n\nlimits\n{}",
        preview["subject_bytes"],
        safe(&cell(&preview["subject"])),
        pretty(&preview["claims"]),
        limits::lines(limits),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_exactly_the_value() {
        let sent = json!({"RUNMINT_RUN_ID": "plain", "RUNMINT_URL": "it's $HOME `x` \\ \"q\""});
        let expected = "export RUNMINT_RUN_ID='plain'\nexport RUNMINT_URL='it'\\''s $HOME `x` \\ \"q\"'\n";
        assert_eq!(exports(&sent).unwrap(), expected);
    }

    #[test]
    fn what_is_no_variable_is_not_given_to_a_shell() {
        for bad in [
            json!({"RUNMINT_URL;rm": "x"}),
            json!({"PATH": "x"}),
            json!({"LD_PRELOAD": "x"}),
            json!({"": "x"}),
            json!({"RUNMINT_URL": 1}),
            json!({"RUNMINT_URL": "\u{1b}[2J"}),
            json!([]),
        ] {
            assert!(exports(&bad).is_err(), "{bad}");
        }
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
    fn the_body_is_what_was_asked_for() {
        assert_eq!(
            registration(&[("project", "a=b"), ("stack", "")]).body().unwrap(),
            json!({
                "service": "deploy",
                "attributes": {"project": "a=b", "stack": ""},
                "ttl_seconds": 1800,
                "audiences": ["sts.amazonaws.com"],
            })
        );
        assert!(registration(&[("project", "a"), ("project", "b")]).body().is_err());
    }
}
