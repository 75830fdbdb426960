//! What the server says of itself: whether it can mint, and, to an admin, how its keys and processes are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::discovered::Discovered;
use super::finding::Finding;
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
    // A token goes only to the server that it is for.
    let same = |session: &Session| {
        let of = |text: &str| ServerUrl::parse(text).ok();
        of(&session.url).is_some() && of(&session.url) == of(&found.base)
    };
    let session = match Session::find() {
        Ok(session) if same(&session) => session,
        _ => {
            return findings.push(Finding::skipped(
                "signing keys",
                "no access token for this server (RUNMINT_URL, RUNMINT_ACCESS_TOKEN)",
            ));
        }
    };
    let answer = match session.client() {
        Ok(client) => client.get::<Value>("/api/keys").await.map(|answer| answer.raw),
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(timeline) => findings.extend(keys(&timeline, now)),
        Err(failure) => {
            findings.push(Finding::skipped("signing keys", format!("only an admin sees them: {failure}")));
        }
    }
}

async fn readiness(client: &Client, found: &Discovered, findings: &mut Vec<Finding>) {
    let name = "readiness";
    let seen = match client.look(&format!("{}/readyz", found.base)).await {
        Ok(seen) => seen,
        Err(failure) => return findings.push(Finding::skipped(name, failure.to_string())),
    };
    let Ok(body) = serde_json::from_slice::<Value>(&seen.body) else {
        return findings.push(Finding::skipped(
            name,
            format!("{}/readyz is not shown to the outside ({})", found.base, seen.status),
        ));
    };
    let Some(checks) = body["checks"].as_object() else {
        return findings.push(Finding::skipped(
            name,
            format!("{}/readyz is not shown to the outside ({})", found.base, seen.status),
        ));
    };
    for (check, says) in checks {
        let remedy = match check.as_str() {
            "database" => "Nobody gets tokens. Is the database up, and its URL right?",
            "signing_key" => "Nobody gets tokens. `runmint keys list`, and the server's log.",
            _ => {
                "Tokens are issued still. `runmint keys list` says what waits for whom; docs/rotation.md is the runbook."
            }
        };
        findings.push(match says.as_str() {
            Some("ok") => Finding::ok(check, "ok"),
            _ if check == "rotation" => Finding::warning(check, cell(says), remedy),
            _ => Finding::failure(check, cell(says), remedy),
        });
    }
}

fn keys(timeline: &Value, now: Timestamp) -> Vec<Finding> {
    let list = |name: &str| timeline[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut findings: Vec<Finding> =
        list("keys").iter().filter(|key| key["state"] == "active").map(|key| active(key, now)).collect();
    if findings.is_empty() {
        findings.push(Finding::failure(
            "signing keys",
            "none signs",
            "`runmint keys list`; docs/rotation.md is the runbook.",
        ));
    }
    let notice = |notice: &Value| {
        let of = ["issuer", "algorithm", "what"].map(|name| notice[name].as_str().unwrap_or_default());
        of.join(" ").trim().to_owned()
    };
    let alarm = |one: &Value| Finding::failure("alarm", notice(one), "docs/rotation.md is the runbook.");
    let reminder = |one: &Value| {
        Finding::warning(
            "reminder",
            notice(one),
            "Before the next rotation; docs/rotation.md is the runbook.",
        )
    };
    findings.extend(list("alarms").iter().map(alarm));
    findings.extend(list("reminders").iter().map(reminder));
    findings.extend(processes(list("replicas"), &timeline["now"]));
    findings
}

fn active(key: &Value, now: Timestamp) -> Finding {
    let at = |name: &str| key[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let name = format!("{} key", cell(&key["algorithm"]));
    let since = at("signs_from").map_or_else(|| "unknown".to_owned(), |at| from_now(at, now));
    match at("due_at") {
        Some(due) if due < now => Finding::warning(
            name,
            format!(
                "{} signs since {since}, and its rotation was due {}",
                cell(&key["kid"]),
                from_now(due, now)
            ),
            "`runmint keys list` says what it waits for.",
        ),
        Some(due) => Finding::ok(
            name,
            format!(
                "{} of {} signs since {since}, the next one {}",
                cell(&key["kid"]),
                cell(&key["issuer"]),
                from_now(due, now)
            ),
        ),
        None => Finding::ok(
            name,
            format!("{} of {} signs since {since}", cell(&key["kid"]), cell(&key["issuer"])),
        ),
    }
}

fn processes(replicas: &[Value], now: &Value) -> Vec<Finding> {
    let name = "processes";
    let now = now.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let unseen = |replica: &&Value| {
        let seen = replica["seen_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        seen.zip(now).is_some_and(|(seen, now)| now.as_second() - seen.as_second() > UNSEEN_SECONDS)
    };
    let versions: BTreeSet<String> = replicas.iter().map(|one| cell(&one["version"])).collect();
    let quiet: Vec<String> = replicas.iter().filter(unseen).map(|one| cell(&one["name"])).collect();
    let mut findings = vec![if quiet.is_empty() {
        Finding::ok(name, format!("{} with a lease", replicas.len()))
    } else {
        Finding::warning(
            name,
            format!("not heard of for a minute: {}", quiet.join(", ")),
            "Rotation waits for processes that hold a lease. Are they alive?",
        )
    }];
    if versions.len() > 1 {
        let versions: Vec<String> = versions.into_iter().collect();
        findings.push(Finding::warning("versions", versions.join(", "), "Finish the upgrade."));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn what_an_operator_must_know_is_told() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let timeline = |due: &str, alarms: Value, seen: &str, version: &str| {
            let replica =
                |version: &str, seen: &str| json!({"name": "a/1/ff", "version": version, "seen_at": seen});
            let timeline = json!({
                "now": "2026-11-21T10:00:00Z",
                "keys": [{"state": "active", "kid": "k", "issuer": "https://i", "algorithm": "RS256", "signs_from": "2026-11-01T00:00:00Z", "due_at": due}],
                "replicas": [replica("1", "2026-11-21T09:59:58Z"), replica(version, seen)],
                "alarms": alarms, "reminders": [],
            });
            keys(&timeline, now).into_iter().map(|one| one.outcome).max().unwrap()
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
        assert_eq!(keys(&json!({}), now)[0].outcome, Outcome::Failure);
    }
}
