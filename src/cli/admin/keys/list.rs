//! `runmint keys list`

use clap::Args;
use jiff::Timestamp;

use crate::api::keys::{KeyTimeline, Replica, RingNotice, SigningKey};
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, safe};
use crate::cli::terminal::span::{from_now, moment};
use crate::cli::terminal::table::{cell, fields};
use crate::issuer::organization_name::OrganizationName;

/// Show the signing keys and their schedule
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys list
  runmint keys list --all                 include keys that are no longer published
  runmint keys list --output json | jq '.keys[] | {kid, state, due_at}'")]
pub(in crate::cli) struct List {
    /// Only the keys of this organization's own issuer
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
    /// Include removed and revoked keys
    #[arg(long)]
    all: bool,
}

impl List {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let mut query = Vec::new();
        query.extend(self.org.as_ref().map(|org| ("organization", org.as_str())));
        query.extend(self.all.then_some(("all", "true")));
        let found = Client::from_environment()?.get(&with_query("/api/keys", &query)).await?;
        found.print(output, timeline)
    }
}

fn timeline(found: &KeyTimeline) -> String {
    let mut text = String::new();
    // Keys come in the order of their creation, in which issuers alternate.
    let mut issuers: Vec<&Option<String>> = Vec::new();
    for key in &found.keys {
        if !issuers.contains(&&key.issuer) {
            issuers.push(&key.issuer);
        }
    }
    for issuer in issuers {
        text.extend([safe(issuer.as_deref().unwrap_or("-")).as_str(), "\n\n"]);
        for key in found.keys.iter().filter(|key| key.issuer == *issuer) {
            text += &describe(key, found.now);
            text.push('\n');
        }
    }
    if text.is_empty() {
        text.push_str("No keys.\n");
    }
    let mut replicas: Vec<_> = found.replicas.iter().map(|one| ("process", process(one))).collect();
    if replicas.is_empty() {
        replicas.push(("process", "none".to_owned()));
    }
    text += &fields(&replicas);
    for alarm in &found.alarms {
        text += &fields(&[("ATTENTION", notice(alarm))]);
    }
    for reminder in &found.reminders {
        text += &fields(&[("REMINDER", notice(reminder))]);
    }
    text
}

fn describe(key: &SigningKey, now: Timestamp) -> String {
    let kept_in = cell(&key.kept_in);
    let kept_in = if key.has_private_half { kept_in } else { format!("{kept_in} (private half destroyed)") };
    let state = cell(&key.state);
    let mut lines =
        vec![(state.as_str(), format!("{}  {}", key.kid, cell(&key.algorithm))), ("kept in", kept_in)];
    for (label, time) in [
        ("made", Some(key.created_at)),
        ("published", Some(key.published_at)),
        ("may sign from", key.warm_at),
        ("signing from", key.signs_from),
        ("next takes over", key.due_at),
        ("signs until", key.signs_until),
        ("leaves", key.leaves_at),
        ("removed", key.removed_at),
        ("revoked", key.revoked_at),
    ] {
        lines.extend(time.map(|time| (label, moment(time, now, "-"))));
    }
    let fetched = key.last_fetched_at.map_or_else(|| "never".to_owned(), |at| from_now(at, now));
    lines.push(("signatures", format!("{}, key set last fetched {fetched}", key.signatures)));
    if !key.not_acknowledged.is_empty() {
        lines.push(("waits for", key.not_acknowledged.join(", ")));
    }
    fields(&lines)
}

/// A process and the ids of its sealing keys.
fn process(replica: &Replica) -> String {
    let name = &replica.name;
    match replica.sealing_keys.split_first() {
        None => name.clone(),
        Some((seals, [])) => format!("{name}  seals with {seals}"),
        Some((seals, opens)) => format!("{name}  seals with {seals}, opens {}", opens.join(", ")),
    }
}

fn notice(notice: &RingNotice) -> String {
    let issuer = notice.issuer.as_deref().unwrap_or_default();
    let algorithm = notice.algorithm.map(|algorithm| cell(&algorithm)).unwrap_or_default();
    format!("{issuer} {algorithm} {}", notice.what).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(kid: &str, issuer: &str) -> Value {
        json!({
            "kid": kid, "issuer": issuer, "algorithm": "RS256", "state": "next", "kept_in": "database",
            "has_private_half": true, "created_at": "2026-11-21T08:00:00Z", "published_at": "2026-11-21T08:00:00Z",
            "warm_at": "2026-11-22T08:00:00Z", "signs_from": null, "due_at": null, "signs_until": null,
            "leaves_at": null, "removed_at": null, "revoked_at": null, "revoked_by": null, "signatures": 0,
            "last_fetched_at": "2026-11-21T08:59:30Z", "not_acknowledged": ["gcp"], "public_jwk": {},
        })
    }

    fn told(found: Value) -> String {
        timeline(&serde_json::from_value(found).unwrap())
    }

    #[test]
    fn a_key_is_shown_as_a_timeline() {
        let replica = |name: &str, sealing_keys: Value| json!({"name": name, "version": "1", "sealing_keys": sealing_keys, "seen_at": "2026-11-21T09:00:00Z"});
        let found = json!({
            "now": "2026-11-21T09:00:00Z",
            "keys": [key("k1", "https://id.example.com/oidc")],
            "replicas": [replica("a/1/ff", json!(["5c8e"])), replica("b/2/ee", json!(["5c8e", "77aa"]))],
            "alarms": [{"issuer": "https://i/oidc", "algorithm": "RS256", "what": "rotation is overdue"}],
            "reminders": [{"issuer": "https://j/oidc", "algorithm": "ES256", "what": "upload it"}],
        });
        assert_eq!(
            told(found),
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
        let keys = [key("k1", "https://i"), key("k2", "https://j"), key("k3", "https://i")];
        let text = told(json!({
            "now": "2026-11-21T09:00:00Z", "keys": keys, "replicas": [], "alarms": [], "reminders": [],
        }));
        let place = |part: &str| text.find(part).unwrap();
        assert_eq!(text.matches("https://i\n").count(), 1, "{text}");
        assert!(place("k1") < place("k3") && place("k3") < place("https://j"), "{text}");
    }
}
