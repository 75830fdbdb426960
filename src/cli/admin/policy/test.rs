//! `runmint policy test`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::file::policies_of;
use super::saved::{documents, of_issuer};
use crate::api::policies::{ExplainPolicies, Explanation, NotForAudience};
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::api::foreign_token::{self, GivenToken};
use crate::cli::terminal::arguments::attribute;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{Colour, Format, paint, safe};
use crate::cli::terminal::table::cell;
use crate::trust::policy::evaluation::{Asked, Verdict};
use crate::trust::policy::explanation::{PolicyExplanation, RuleExplanation};
use crate::trust::policy::run::RunRequest;

/// Explain how policies decide about a token, rule by rule
///
/// Exchanges nothing. The token may be expired: its signature and times are not checked. Exits with 1 if the
/// token would not be allowed.
#[derive(Args)]
#[command(group = ArgGroup::new("source").args(["token", "token_file", "claims_file"]).required(true))]
#[command(after_help = "Examples:
  runmint policy test github --org acme --token-file token.jwt --as team:web
  runmint policy test github --org acme --claims-file claims.json --as admin --draft draft.json
  runmint policy test gitlab --org acme --token - --as run --attribute operation=update < token.jwt")]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    chosen: Chosen,
    /// The token; other users can read arguments, so prefer - for standard input
    #[arg(long, value_name = "TOKEN|file://PATH|-")]
    token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// A file with claims as a JSON object; - for standard input
    #[arg(long, value_name = "FILE")]
    claims_file: Option<PathBuf>,
    /// What to exchange it for: organization, admin, team:T, user:U, runner:R, run or run:SERVICE
    #[arg(long = "as", value_name = "WHAT", default_value = "organization", value_parser = asked)]
    asked: Asked,
    /// An attribute of the requested run; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// An audience of the requested run's ID token; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// Policies as `policy set` takes them, instead of those in force
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
}

/// What the policies decide about.
enum Subject {
    Token(Zeroizing<String>),
    Claims(Map<String, Value>),
}

impl Test {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let subject = self.subject()?;
        let draft = self.draft.as_deref().map(policies_of).transpose()?;
        let (chosen, asked) = self.request()?;
        let client = Client::from_environment()?;
        let issuer = chosen.find(&client).await?.parsed;
        let (token, claims) = match subject {
            Subject::Token(token) => (Some(token.to_string()), None),
            Subject::Claims(claims) => (None, Some(claims)),
        };
        let body = ExplainPolicies { token, claims, asked, policies: draft.as_deref().map(documents) };
        let path = format!("{}/explain", of_issuer(chosen.org(), issuer.id));
        let explained = client.post::<Explanation>(&path, &body).await?;
        explained.print(output, described)?;
        match explained.parsed.decision {
            Verdict::Allowed { .. } => Ok(()),
            Verdict::DeniedByPolicy { .. } => Err(Failure::failed("a policy denies the token")),
            Verdict::NoMatch => Err(Failure::failed("no policy allows the token")),
        }
    }

    fn subject(&self) -> Result<Subject, Failure> {
        match (&self.token, &self.token_file, &self.claims_file) {
            (Some(argument), _, _) => Ok(Subject::Token(GivenToken::read(argument)?.text)),
            (_, Some(path), _) => Ok(Subject::Token(foreign_token::of_file(path)?)),
            (_, _, Some(path)) => match json_of(path)? {
                Value::Object(claims) => Ok(Subject::Claims(claims)),
                _ => Err(Failure::usage(format!(
                    "could not read claims from {}: it is not a JSON object",
                    path.display()
                ))),
            },
            (None, None, None) => Err(Failure::usage("pass --token, --token-file or --claims-file")),
        }
    }

    fn request(self) -> Result<(Chosen, Asked), Failure> {
        let Self { chosen, asked, attributes, audiences, .. } = self;
        let Asked::Run(run) = asked else {
            if attributes.is_empty() && audiences.is_empty() {
                return Ok((chosen, asked));
            }
            return Err(Failure::usage("--attribute and --audience need --as run"));
        };
        let mut map = BTreeMap::new();
        for (key, value) in attributes {
            if map.insert(key.clone(), value).is_some() {
                return Err(Failure::usage(format!("the attribute {key} is given twice")));
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

fn described(explained: &Explanation) -> String {
    let verdict = match explained.decision {
        Verdict::Allowed { policy } => paint(Colour::Green, &format!("allowed by policies[{policy}]")),
        Verdict::DeniedByPolicy { policy } => paint(Colour::Red, &format!("denied by policies[{policy}]")),
        Verdict::NoMatch => paint(Colour::Red, "not allowed: no policy matches"),
    };
    let mut text = verdict + "\n";
    if !explained.issuer_matches {
        text.push_str("but the token is another issuer's, about which these policies never decide\n");
    }
    let NotForAudience { policies, expected, found } = &explained.not_for_audience;
    if *policies > 0 {
        let (expected, found) = (expected.join(" or "), cell(found));
        text.push_str(&safe(&format!(
            "{policies} policies have no rule for `aud` and are skipped: it is {found}, expected {expected}"
        )));
        text.push('\n');
    }
    text.extend(explained.explanation.iter().map(policy_text));
    text
}

fn policy_text(policy: &PolicyExplanation) -> String {
    let says = match (policy.matches, &policy.why_not_applicable) {
        (true, _) => "matches".to_owned(),
        (false, Some(why)) => format!("does not apply: {why}"),
        (false, None) => "does not match".to_owned(),
    };
    let head = format!("policies[{}]  {}  {says}", policy.policy, cell(&policy.decision));
    format!("\n{}\n{}", safe(&head), policy.rules.iter().map(rule_text).collect::<String>())
}

fn rule_text(rule: &RuleExplanation) -> String {
    let mark = if rule.matched { paint(Colour::Green, "matches") } else { paint(Colour::Yellow, "differs") };
    let mut found: Vec<String> = rule.found.iter().map(|value| format!("`{value}`")).collect();
    if rule.not_shown > 0 {
        found.push(format!("and {} more", rule.not_shown));
    }
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    let text = format!("{}  expected `{}`, found {found}", rule.claim, rule.pattern);
    format!("  {mark}  {}\n", safe(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_requested_token_is_a_kind_and_maybe_a_name() {
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
    fn every_rule_shows_the_expected_and_the_found_value() {
        let explained = json!({
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
        });
        assert_eq!(
            described(&serde_json::from_value(explained).unwrap()),
            "not allowed: no policy matches\n\npolicies[0]  allow  does not match\n  \
             matches  sub  expected `a*`, found `abc`\n  differs  ref  expected `x`, found nothing\n\n\
             policies[1]  deny  does not apply: it is for `b`\n"
        );
    }
}
