//! `runmint policy test`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::file::policies_of;
use super::saved::of_issuer;
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::api::foreign_token::{self, GivenToken};
use crate::cli::terminal::arguments::attribute;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{self, Colour, Format, paint, safe};
use crate::cli::terminal::table::cell;
use crate::trust::policy::evaluation::Asked;
use crate::trust::policy::run::RunRequest;

/// Say how policies decide about a token, and why: per policy and rule what was asked and what was found
///
/// Nothing is exchanged, and the token may be expired: its signature and times are not looked at. Exit code 1
/// when it would not be allowed.
#[derive(Args)]
#[command(group = ArgGroup::new("source").args(["token", "token_file", "claims_file"]).required(true))]
#[command(after_help = "Examples:
  runmint policy test github --org acme --token-file token.jwt --as team:web
  runmint policy test github --org acme --claims-file claims.json --as admin --draft draft.json
  runmint policy test gitlab --org acme --token - --as run --attribute operation=update < token.jwt")]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    chosen: Chosen,
    /// The token; others can read arguments, so rather - for standard input
    #[arg(long, value_name = "TOKEN|file://PATH|-")]
    token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// A file with claims as a JSON object; - for standard input
    #[arg(long, value_name = "FILE")]
    claims_file: Option<PathBuf>,
    /// What it is to become: organization, admin, team:T, user:U, runner:R, run or run:SERVICE
    #[arg(long = "as", value_name = "WHAT", default_value = "organization", value_parser = asked)]
    asked: Asked,
    /// An attribute that the run is asked for with; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// An audience that the run's ID token is asked for with; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// Policies as `policy set` takes them, instead of those in force
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
}

impl Test {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let mut body = self.subject()?;
        if let Some(draft) = &self.draft {
            body["policies"] = json!(policies_of(draft)?);
        }
        let (chosen, asked) = self.request()?;
        body["asked"] = json!(asked);
        let client = Client::from_environment()?;
        let issuer = chosen.find(&client).await?;
        let explained =
            client.post(&format!("{}/explain", of_issuer(chosen.org(), &issuer)), Some(&body)).await?;
        output::print(output, &explained, described)?;
        match explained["decision"]["outcome"].as_str() {
            Some("allowed") => Ok(()),
            Some("denied_by_policy") => Err(Failure::failed("a policy denies it")),
            Some("no_match") => Err(Failure::failed("no policy allows it")),
            _ => Err(Failure::failed("the answer is no decision: is this runmint?")),
        }
    }

    /// Whose exchange it is: a token, or claims.
    fn subject(&self) -> Result<Value, Failure> {
        let token = match (&self.token, &self.token_file, &self.claims_file) {
            (Some(argument), _, _) => GivenToken::read(argument)?.text,
            (_, Some(path), _) => foreign_token::of_file(path)?,
            (_, _, Some(path)) => {
                let claims = json_of(path)?;
                if !claims.is_object() {
                    return Err(Failure::usage(format!("{} holds no JSON object", path.display())));
                }
                return Ok(json!({"claims": claims}));
            }
            (None, None, None) => return Err(Failure::usage("give a token or claims")),
        };
        Ok(json!({"token": token.as_str()}))
    }

    fn request(self) -> Result<(Chosen, Asked), Failure> {
        let Self { chosen, asked, attributes, audiences, .. } = self;
        let Asked::Run(run) = asked else {
            if attributes.is_empty() && audiences.is_empty() {
                return Ok((chosen, asked));
            }
            return Err(Failure::usage("--attribute and --audience go with --as run"));
        };
        let mut map = BTreeMap::new();
        for (key, value) in attributes {
            if map.insert(key.clone(), value).is_some() {
                return Err(Failure::usage(format!("attribute {key} is given twice")));
            }
        }
        Ok((chosen, Asked::Run(RunRequest { attributes: map, audiences, ..run })))
    }
}

fn asked(text: &str) -> Result<Asked, String> {
    let run = |service: &str| Asked::Run(RunRequest { service: service.to_owned(), ..RunRequest::default() });
    let (kind, name) =
        text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name.to_owned())));
    match (kind, name.filter(|name| !name.is_empty())) {
        ("organization", None) if text == kind => Ok(Asked::Organization { admin: false }),
        ("admin", None) if text == kind => Ok(Asked::Organization { admin: true }),
        ("run", None) if text == kind => Ok(run("deploy")),
        ("run", Some(service)) => Ok(run(&service)),
        ("team", Some(name)) => Ok(Asked::Team { name }),
        ("user", Some(name)) => Ok(Asked::Personal { name }),
        ("runner", Some(name)) => Ok(Asked::Runner { name }),
        _ => Err("write organization, admin, team:T, user:U, runner:R, run or run:SERVICE".to_owned()),
    }
}

fn described(explained: &Value) -> String {
    let policy = &explained["decision"]["policy"];
    let verdict = match explained["decision"]["outcome"].as_str() {
        Some("allowed") => paint(Colour::Green, &format!("allowed by policies[{}]", cell(policy))),
        Some("denied_by_policy") => paint(Colour::Red, &format!("denied by policies[{}]", cell(policy))),
        _ => paint(Colour::Red, "not allowed: no policy matches"),
    };
    let mut text = verdict + "\n";
    if explained["issuer_matches"] == false {
        text.push_str("but it is another issuer's token, which this one's policies never see\n");
    }
    let left_out = &explained["not_for_audience"];
    if left_out["policies"].as_u64().is_some_and(|count| count > 0) {
        let expected = left_out["expected"].as_array().into_iter().flatten().map(cell);
        let expected = expected.collect::<Vec<_>>().join(" or ");
        text.push_str(&safe(&format!(
            "{} policies say nothing of `aud`, and are left out: it is {}, expected {expected}",
            cell(&left_out["policies"]),
            cell(&left_out["found"]),
        )));
        text.push('\n');
    }
    let policies = explained["explanation"].as_array().into_iter().flatten();
    text.extend(policies.map(policy_text));
    text
}

fn policy_text(policy: &Value) -> String {
    let says = match (policy["matches"] == true, policy["why_not_applicable"].as_str()) {
        (true, _) => "matches".to_owned(),
        (false, Some(why)) => format!("does not apply: {why}"),
        (false, None) => "does not match".to_owned(),
    };
    let head = format!("policies[{}]  {}  {says}", cell(&policy["policy"]), cell(&policy["decision"]));
    let rules = policy["rules"].as_array().into_iter().flatten();
    format!("\n{}\n{}", safe(&head), rules.map(rule_text).collect::<String>())
}

fn rule_text(rule: &Value) -> String {
    let mark = if rule["matched"] == true {
        paint(Colour::Green, "matches")
    } else {
        paint(Colour::Yellow, "differs")
    };
    let mut found: Vec<String> =
        rule["found"].as_array().into_iter().flatten().map(|value| format!("`{}`", cell(value))).collect();
    if let Some(more) = rule["not_shown"].as_u64() {
        found.push(format!("and {more} more"));
    }
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    let text = format!("{}  asked `{}`, found {found}", cell(&rule["claim"]), cell(&rule["pattern"]));
    format!("  {mark}  {}\n", safe(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_is_to_become_is_a_word_and_perhaps_a_name() {
        assert_eq!(asked("admin"), Ok(Asked::Organization { admin: true }));
        assert_eq!(asked("team:a:b"), Ok(Asked::Team { name: "a:b".into() }));
        assert_eq!(asked("user:ada"), Ok(Asked::Personal { name: "ada".into() }));
        assert!(matches!(asked("run"), Ok(Asked::Run(run)) if run.service == "deploy"));
        assert!(matches!(asked("run:environment"), Ok(Asked::Run(run)) if run.service == "environment"));
        for bad in ["", "team", "team:", "admin:x", "admin:", "root", "organization:"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_rule_says_what_was_asked_and_found() {
        let text = described(&json!({
            "decision": {"outcome": "no_match"},
            "explanation": [
                {"policy": 0, "decision": "allow", "matches": false, "rules": [
                    {"claim": "sub", "pattern": "a*", "found": ["abc"], "matched": true},
                    {"claim": "ref", "pattern": "x", "found": [], "matched": false},
                ]},
                {"policy": 1, "decision": "deny", "matches": false, "why_not_applicable": "it is for `b`", "rules": []},
            ],
            "not_for_audience": {"policies": 0, "expected": [], "found": null},
            "issuer_matches": true,
        }));
        assert_eq!(
            text,
            "not allowed: no policy matches\n\npolicies[0]  allow  does not match\n  \
             matches  sub  asked `a*`, found `abc`\n  differs  ref  asked `x`, found nothing\n\n\
             policies[1]  deny  does not apply: it is for `b`\n"
        );
    }
}
