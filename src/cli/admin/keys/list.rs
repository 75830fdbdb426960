//! `runmint keys list`

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, entries, safe};
use crate::cli::terminal::span::{from_now, moment};
use crate::cli::terminal::table::{cell, fields};
use crate::issuer::organization_name::OrganizationName;

/// Show the signing keys and what happens to them when
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys list
  runmint keys list --all                 with those that are not published any more
  runmint keys list --output json | jq '.keys[] | {kid, state, due_at}'")]
pub(in crate::cli) struct List {
    /// Only the keys of this organization's own issuer
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
    /// With removed and revoked keys
    #[arg(long)]
    all: bool,
}

impl List {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let mut query = Vec::new();
        query.extend(self.org.as_ref().map(|org| ("organization", org.as_str())));
        query.extend(self.all.then_some(("all", "true")));
        let found = Client::from_environment()?.get(&with_query("/api/keys", &query)).await?;
        output::print(output, &found, timeline)
    }
}

fn timeline(found: &Value) -> String {
    let now = found["now"].as_str().and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut text = String::new();
    // As the keys were made, those of several issuers alternate.
    let mut issuers: Vec<&Value> = Vec::new();
    for key in entries(&found["keys"]) {
        if !issuers.contains(&&key["issuer"]) {
            issuers.push(&key["issuer"]);
        }
    }
    for issuer in issuers {
        text.extend([safe(&cell(issuer)).as_str(), "\n\n"]);
        for key in entries(&found["keys"]).filter(|key| key["issuer"] == *issuer) {
            text += &describe(key, now);
            text.push('\n');
        }
    }
    if text.is_empty() {
        text.push_str("No keys.\n");
    }
    let mut replicas: Vec<_> = entries(&found["replicas"]).map(|one| ("process", process(one))).collect();
    if replicas.is_empty() {
        replicas.push(("process", "none".to_owned()));
    }
    text += &fields(&replicas);
    for alarm in entries(&found["alarms"]) {
        text += &fields(&[("ATTENTION", notice(alarm))]);
    }
    for reminder in entries(&found["reminders"]) {
        text += &fields(&[("REMINDER", notice(reminder))]);
    }
    text
}

fn describe(key: &Value, now: Timestamp) -> String {
    let kept_in = match key["has_private_half"].as_bool() {
        Some(true) => cell(&key["kept_in"]),
        _ => format!("{} (private half destroyed)", cell(&key["kept_in"])),
    };
    let mut lines = vec![
        (cell(&key["state"]), format!("{}  {}", cell(&key["kid"]), cell(&key["algorithm"]))),
        ("kept in".into(), kept_in),
    ];
    for (label, member) in [
        ("made", "created_at"),
        ("published", "published_at"),
        ("may sign from", "warm_at"),
        ("signing from", "signs_from"),
        ("next takes over", "due_at"),
        ("signs until", "signs_until"),
        ("leaves", "leaves_at"),
        ("removed", "removed_at"),
        ("revoked", "revoked_at"),
    ] {
        if !key[member].is_null() {
            lines.push((label.into(), moment(&key[member], now, "-")));
        }
    }
    let fetched = key["last_fetched_at"].as_str().and_then(|text| text.parse().ok());
    let fetched = fetched.map_or_else(|| "never".to_owned(), |at: Timestamp| from_now(at, now));
    lines
        .push(("signatures".into(), format!("{}, key set last fetched {fetched}", cell(&key["signatures"]))));
    let missing: Vec<String> = entries(&key["not_acknowledged"]).map(cell).collect();
    if !missing.is_empty() {
        lines.push(("waits for".into(), missing.join(", ")));
    }
    fields(&lines.iter().map(|(label, value)| (label.as_str(), value.clone())).collect::<Vec<_>>())
}

/// A process and the ids of its sealing keys.
fn process(replica: &Value) -> String {
    let keys: Vec<String> = entries(&replica["sealing_keys"]).map(cell).collect();
    let name = cell(&replica["name"]);
    match keys.split_first() {
        None => name,
        Some((seals, [])) => format!("{name}  seals with {seals}"),
        Some((seals, opens)) => format!("{name}  seals with {seals}, opens {}", opens.join(", ")),
    }
}

fn notice(notice: &Value) -> String {
    let of = [&notice["issuer"], &notice["algorithm"]].map(|part| part.as_str().unwrap_or_default());
    format!("{} {}", of.join(" "), cell(&notice["what"])).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_told_as_a_timeline() {
        let found = json!({
            "now": "2026-11-21T09:00:00Z",
            "keys": [{
                "kid": "k1", "issuer": "https://id.example.com/oidc", "algorithm": "RS256", "state": "next",
                "kept_in": "database", "has_private_half": true, "created_at": "2026-11-21T08:00:00Z",
                "published_at": "2026-11-21T08:00:00Z", "warm_at": "2026-11-22T08:00:00Z", "signs_from": null,
                "due_at": null, "signs_until": null, "leaves_at": null, "removed_at": null, "revoked_at": null,
                "signatures": 0, "last_fetched_at": "2026-11-21T08:59:30Z", "not_acknowledged": ["gcp"],
            }],
            "replicas": [
                {"name": "a/1/ff", "sealing_keys": ["5c8e"]},
                {"name": "b/2/ee", "sealing_keys": ["5c8e", "77aa"]},
            ],
            "alarms": [{"issuer": "https://i/oidc", "algorithm": "RS256", "what": "rotation is overdue"}],
            "reminders": [{"issuer": "https://j/oidc", "algorithm": "ES256", "what": "upload it"}],
        });
        assert_eq!(
            timeline(&found),
            "https://id.example.com/oidc\n\n\
             next           k1  RS256\n\
             kept in        database\n\
             made           2026-11-21T08:00:00Z (1 h ago)\n\
             published      2026-11-21T08:00:00Z (1 h ago)\n\
             may sign from  2026-11-22T08:00:00Z (in 23 h)\n\
             signatures     0, key set last fetched 30 s ago\n\
             waits for      gcp\n\n\
             process  a/1/ff  seals with 5c8e\n\
             process  b/2/ee  seals with 5c8e, opens 77aa\n\
             ATTENTION  https://i/oidc RS256 rotation is overdue\n\
             REMINDER  https://j/oidc ES256 upload it\n"
        );
    }

    #[test]
    fn each_issuer_is_one_heading() {
        let key = |kid: &str, issuer: &str| json!({"kid": kid, "issuer": issuer});
        let keys = [key("k1", "https://i"), key("k2", "https://j"), key("k3", "https://i")];
        let text = timeline(&json!({"keys": keys}));
        let place = |part: &str| text.find(part).unwrap();
        assert_eq!(text.matches("https://i\n").count(), 1, "{text}");
        assert!(place("k1") < place("k3") && place("k3") < place("https://j"), "{text}");
    }
}
