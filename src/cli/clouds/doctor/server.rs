//! The server's readiness, and its keys and processes if the caller is an admin.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::discovered::Discovered;
use super::finding::Finding;
use crate::api::health::{Checks, Readiness};
use crate::api::keys::{KeyState, KeyTimeline, Replica, RingNotice, SigningKey};
use crate::cli::api::client::Client;
use crate::cli::api::server_url::ServerUrl;
use crate::cli::api::session::Session;
use crate::cli::terminal::span::from_now;
use crate::cli::terminal::table::cell;

/// A process renews its lease every few seconds.
const UNSEEN_SECONDS: i64 = 60;

pub(super) async fn examine(
    client: &Client,
    found: &Discovered,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) {
    readiness(client, found, findings).await;
    // Send an access token to its own server only.
    let same = |session: &Session| {
        let of = |text: &str| ServerUrl::parse(text).ok();
        of(&session.url).is_some() && of(&session.url) == of(&found.base)
    };
    let session = match Session::find() {
        Ok(session) if same(&session) => session,
        _ => {
            return findings.push(Finding::skipped(
                "signing keys",
                "no access token for this server is set (RUNMINT_URL, RUNMINT_ACCESS_TOKEN)",
            ));
        }
    };
    let answer = match session.client() {
        Ok(client) => client.get("/api/keys").await,
        Err(failure) => Err(failure),
    };
    findings.extend(match answer {
        Ok(timeline) => keys(&timeline.parsed, now),
        Err(failure) => {
            vec![Finding::skipped("signing keys", format!("could not list them as an admin: {failure}"))]
        }
    });
}

async fn readiness(client: &Client, found: &Discovered, findings: &mut Vec<Finding>) {
    let name = "readiness";
    let seen = match client.look(&format!("{}/readyz", found.base)).await {
        Ok(seen) => seen,
        Err(failure) => return findings.push(Finding::skipped(name, failure.to_string())),
    };
    let Ok(Readiness { checks: Checks { database, signing_key, rotation }, .. }) =
        serde_json::from_slice(&seen.body)
    else {
        return findings.push(Finding::skipped(
            name,
            format!("{}/readyz does not show its checks to the outside ({})", found.base, seen.status),
        ));
    };
    for (check, says) in [("database", database), ("signing_key", signing_key), ("rotation", rotation)] {
        let remedy = match check {
            "database" => "No tokens are issued. Is the database up, and `database_url` right?",
            "signing_key" => "No tokens are issued. See `runmint keys list` and the server's log.",
            _ => {
                "Tokens are still issued. `runmint keys list` shows what rotation waits for; docs/rotation.md is the runbook."
            }
        };
        findings.push(match says.as_str() {
            "ok" => Finding::ok(check, "ok"),
            _ if check == "rotation" => Finding::warning(check, says, remedy),
            _ => Finding::failure(check, says, remedy),
        });
    }
}

fn keys(timeline: &KeyTimeline, now: Timestamp) -> Vec<Finding> {
    let active_keys = timeline.keys.iter().filter(|key| key.state == KeyState::Active);
    let mut findings: Vec<Finding> = active_keys.map(|key| active(key, now)).collect();
    if findings.is_empty() {
        findings.push(Finding::failure(
            "signing keys",
            "no key signs",
            "See `runmint keys list`; docs/rotation.md is the runbook.",
        ));
    }
    let notice = |RingNotice { issuer, algorithm, what }: &RingNotice| {
        let algorithm = algorithm.map(|algorithm| cell(&json!(algorithm)));
        let of = [issuer.as_deref(), algorithm.as_deref(), Some(what)];
        of.map(Option::unwrap_or_default).join(" ").trim().to_owned()
    };
    let alarm =
        |one: &RingNotice| Finding::failure("alarm", notice(one), "See docs/rotation.md, the runbook.");
    let reminder = |one: &RingNotice| {
        Finding::warning(
            "reminder",
            notice(one),
            "Do it before the next rotation; docs/rotation.md is the runbook.",
        )
    };
    findings.extend(timeline.alarms.iter().map(alarm));
    findings.extend(timeline.reminders.iter().map(reminder));
    findings.extend(processes(&timeline.replicas, timeline.now));
    findings
}

fn active(key: &SigningKey, now: Timestamp) -> Finding {
    let SigningKey { kid, algorithm, .. } = key;
    let issuer = key.issuer.as_deref().unwrap_or("-");
    let name = format!("{} key", cell(&json!(algorithm)));
    let since = key.signs_from.map_or_else(|| "unknown".to_owned(), |at| from_now(at, now));
    match key.due_at {
        Some(due) if due < now => Finding::warning(
            name,
            format!("{kid} signs since {since}, and its rotation was due {}", from_now(due, now)),
            "`runmint keys list` shows what it waits for.",
        ),
        Some(due) => Finding::ok(
            name,
            format!("{kid} of {issuer} signs since {since}, next rotation {}", from_now(due, now)),
        ),
        None => Finding::ok(name, format!("{kid} of {issuer} signs since {since}")),
    }
}

fn processes(replicas: &[Replica], now: Timestamp) -> Vec<Finding> {
    let name = "processes";
    let unseen = |replica: &&Replica| now.as_second() - replica.seen_at.as_second() > UNSEEN_SECONDS;
    let versions: BTreeSet<&str> = replicas.iter().map(|one| one.version.as_str()).collect();
    let quiet: Vec<&str> = replicas.iter().filter(unseen).map(|one| one.name.as_str()).collect();
    let mut findings = vec![if quiet.is_empty() {
        Finding::ok(name, format!("{} with a lease", replicas.len()))
    } else {
        Finding::warning(
            name,
            format!("no heartbeat for a minute: {}", quiet.join(", ")),
            "Rotation waits for every process that holds a lease. Are they running?",
        )
    }];
    if versions.len() > 1 {
        let versions: Vec<&str> = versions.into_iter().collect();
        findings.push(Finding::warning("versions", versions.join(", "), "Finish the upgrade."));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn reports_overdue_rotation_silent_processes_and_mixed_versions() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let timeline = |due: &str, alarms: Value, seen: &str, version: &str| {
            let replica = |version: &str, seen: &str| json!({"name": "a/1/ff", "version": version, "sealing_keys": [], "seen_at": seen});
            let timeline = json!({
                "now": "2026-11-21T10:00:00Z",
                "keys": [{
                    "kid": "k", "issuer": "https://i", "algorithm": "RS256", "state": "active", "kept_in": "database",
                    "has_private_half": true, "created_at": "2026-11-01T00:00:00Z", "published_at": "2026-11-01T00:00:00Z",
                    "warm_at": null, "signs_from": "2026-11-01T00:00:00Z", "due_at": due, "signs_until": null,
                    "leaves_at": null, "removed_at": null, "revoked_at": null, "revoked_by": null, "signatures": 0,
                    "last_fetched_at": null, "not_acknowledged": [], "public_jwk": {},
                }],
                "replicas": [replica("1", "2026-11-21T09:59:58Z"), replica(version, seen)],
                "alarms": alarms, "reminders": [],
            });
            keys(&serde_json::from_value(timeline).unwrap(), now)
                .into_iter()
                .map(|one| one.outcome)
                .max()
                .unwrap()
        };
        let (later, seen) = ("2026-12-01T00:00:00Z", "2026-11-21T09:59:58Z");
        assert_eq!(timeline(later, json!([]), seen, "1"), Outcome::Ok);
        assert_eq!(timeline("2026-11-20T00:00:00Z", json!([]), seen, "1"), Outcome::Warning);
        assert_eq!(timeline(later, json!([]), "2026-11-21T09:58:00Z", "1"), Outcome::Warning);
        assert_eq!(timeline(later, json!([]), seen, "2"), Outcome::Warning);
        assert_eq!(
            timeline(
                later,
                json!([{"issuer": "https://i", "algorithm": "RS256", "what": "rotation is overdue"}]),
                seen,
                "1"
            ),
            Outcome::Failure
        );
        let without_keys =
            KeyTimeline { now, keys: vec![], replicas: vec![], alarms: vec![], reminders: vec![] };
        assert_eq!(keys(&without_keys, now)[0].outcome, Outcome::Failure);
    }
}
