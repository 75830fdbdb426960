//! The command line as operators and scripts use it: the real program against the real service.

use std::process::Command;

use insta::assert_snapshot;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Ended, Engine, Setup, TestApp, run, run_as, shown_text};

const ATTRIBUTES: [&str; 3] = ["project=website", "stack=it's prod", "operation=update"];

/// The program reads the machine's clock, so the service does too.
async fn start() -> TestApp {
    Setup::new(Engine::Sqlite).start(SystemClock.now()).run().await
}

async fn start_run(app: &TestApp, more: &[&str]) -> Ended {
    let arguments = [&["run", "start", "--org", "acme"], more, ATTRIBUTES.as_slice()].concat();
    run_as(app, &app.orchestrator, &arguments).await
}

fn credentials(app: &TestApp, token: &str) -> Vec<(String, String)> {
    let variables = [("RUNMINT_URL", app.base_url.as_str()), ("RUNMINT_ACCESS_TOKEN", token)];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn environment(started: &Value) -> Vec<(String, String)> {
    let variables = started["environment"].as_object().unwrap();
    variables.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_gets_valid_tokens_until_it_is_finished() {
    let app = start().await;
    let started = start_run(&app, &["--ttl", "30m", "--output", "json"]).await.json();
    let in_the_run = environment(&started);
    let ask = ["id-token", "--audience", "sts.amazonaws.com", "--lifetime", "10m"];
    let token = run(in_the_run.clone(), &ask, "").await.ok();
    assert!(!token.ends_with('\n'));

    let inspect =
        ["inspect", "-", "--audience", "sts.amazonaws.com", "--issuer", &app.issuer, "--output", "json"];
    let report = run(Vec::new(), &inspect, &token).await.json();
    assert_eq!(report["valid"], true, "{report:#}");
    let claims = &report["claims"];
    assert_eq!(claims["sub"], started["subject"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);

    let id = started["id"].as_str().unwrap();
    let shown = run_as(&app, &app.viewer, &["run", "show", id, "--output", "json"]).await.json();
    assert_eq!(shown["attributes"]["stack"], "it's prod");
    let finished = run_as(&app, &app.orchestrator, &["run", "finish", id]).await.ok();
    assert_snapshot!(shown_text(&finished), @"Run UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID is finished: it gets no more tokens. Tokens that it has work until they expire.");
    run(in_the_run, &ask, "").await.fails(1, "gets no more tokens");
    run_as(&app, &app.orchestrator, &["run", "cancel", id]).await.fails(1, "finished");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_evaluates_the_environment_of_a_started_run() {
    let app = start().await;
    let started = start_run(&app, &[]).await;
    assert_snapshot!(shown_text(&started.stderr), @"
    Run UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID is active until YYYY-MM-DDTHH:MM:SSZ (in …).
    subject  runmint:deploy:org:acme:project:website:stack:it's prod:operation:update:scope:write

    Give the environment above to the runner. It contains the request token, which is shown only once.
    In the run:  runmint id-token --audience AUDIENCE
    At its end:  runmint run finish UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID
    ");
    let script = r#"eval "$1"; printf '%s\n' "$RUNMINT_URL" "$ACTIONS_ID_TOKEN_REQUEST_TOKEN""#;
    let shell = Command::new("sh").args(["-c", script, "sh", &started.ok()]).output().unwrap();
    let lines = String::from_utf8(shell.stdout).unwrap();
    let (url, token) = lines.trim_end().split_once('\n').unwrap();
    assert_eq!(url, app.base_url);
    assert!(token.starts_with("rmrt_") && token.len() == 54, "{token}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_is_the_whole_standard_output_and_works_until_it_is_revoked() {
    let app = start().await;
    let create = [
        "access-token",
        "create",
        "--org",
        "acme",
        "--name",
        "ci",
        "--role",
        "viewer",
        "--expires-in",
        "30d",
    ];
    let created = run_as(&app, &app.owner, &create).await;
    let told = created.stderr.clone();
    let secret = created.ok();
    let secret = secret.trim_end();
    assert!(secret.starts_with("rmat_") && secret.len() == 54, "{secret}");
    assert!(told.contains("shown only once") && !told.contains(secret), "{told}");
    assert_snapshot!(shown_text(&run_as(&app, secret, &["org", "list"]).await.ok()), @"
    NAME  ID                                    CREATED
    acme  UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID  YYYY-MM-DDTHH:MM:SSZ
    ");

    let listed =
        run_as(&app, &app.owner, &["access-token", "list", "--org", "acme", "--output", "json"]).await;
    let listed = listed.json();
    // The clock does not advance, so the newest token need not come first.
    let token =
        listed["access_tokens"].as_array().unwrap().iter().find(|token| token["name"] == "ci").unwrap();
    assert_eq!(token["role"], "viewer");
    let id = token["id"].as_str().unwrap();
    run_as(&app, &app.owner, &["access-token", "revoke", id]).await.ok();
    run_as(&app, secret, &["org", "list"]).await.fails(1, "Credential needed");

    let mistaken = run_as(&app, &app.owner, &["access-token", "revoke", secret]).await;
    assert!(!mistaken.stderr.contains(secret), "{}", mistaken.stderr);
    mistaken.fails(2, "this is a secret, not an id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_an_organization_requires_confirmation() {
    let app = start().await;
    run_as(&app, &app.admin, &["org", "create", "globex"]).await.ok();
    run_as(&app, &app.admin, &["org", "delete", "globex"]).await.fails(2, "add --yes");
    assert_snapshot!(shown_text(&run_as(&app, &app.admin, &["org", "show", "globex"]).await.ok()), @"
    name       globex
    id         UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID
    created    YYYY-MM-DDTHH:MM:SSZ
    issuer     http://127.0.0.1:8080/oidc
    algorithm  RS256
    ");
    run_as(&app, &app.admin, &["org", "delete", "globex", "--yes"]).await.ok();
    run_as(&app, &app.admin, &["org", "show", "globex"]).await.fails(1, "Not found");
    run_as(&app, &app.admin, &["org", "create", "globex"]).await.fails(1, "names are never reused");
    run_as(&app, &app.admin, &["org", "show", "../access-tokens"]).await.fails(2, "lower-case letters");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_has_the_requested_length_whatever_the_page_size() {
    let app = start().await;
    for _ in 0..203 {
        app.start_run(&json!({})).await;
    }
    let list = async |more: &[&str]| {
        let arguments = [&["run", "list", "--org", "acme", "--output", "json"], more].concat();
        run_as(&app, &app.viewer, &arguments).await.json()
    };
    let length = |page: &Value| page["runs"].as_array().unwrap().len();
    let (some, more, all) = (list(&[]).await, list(&["--limit", "202"]).await, list(&["--all"]).await);
    assert_eq!([length(&some), length(&more), length(&all)], [50, 202, 203]);
    assert!(some["next_cursor"].is_string() && more["next_cursor"].is_string());
    assert!(all["next_cursor"].is_null());
    assert_eq!(length(&list(&["--subject", "x&state=active"]).await), 0);
    let table = run_as(&app, &app.viewer, &["run", "list", "--org", "acme", "--limit", "1"]).await;
    assert_snapshot!(shown_text(&table.stderr), @"There are more: pass --limit N or --all.");
    assert_eq!(table.ok().lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_fails_exactly_when_registration_would() {
    let app = start().await;
    let preview = async |project: &str| {
        let project = format!("project={project}");
        let arguments = ["run", "preview", "--org", "acme", &project, "stack=prod", "operation=update"];
        run_as(&app, &app.viewer, &arguments).await
    };
    let kept = preview("website").await.ok();
    assert_snapshot!(shown_text(&kept), @r#"
    subject (79 bytes)
      runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write

    claims
    {
      "iss": "http://127.0.0.1:8080/oidc",
      "aud": "acme",
      "sub": "runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write",
      "org": "acme",
      "org_id": "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID",
      "project": "website",
      "stack": "prod",
      "operation": "update",
      "scope": "write"
    }

    limits
      ok      runmint: subject, bytes                                        79 of 255
      ok      google: google.subject, bytes                                  79 of 127
      ok      aws: subject, characters                                       79 of 255
      ok      azure: subject of a federated identity credential, characters  79 of 600
      ok      google: audience, characters                                   4 of 256
      broken  aws, azure, google: issuer is https
                Clouds fetch the discovery document over https from outside. Use an http issuer on loopback for trials only.
    "#);
    // 72 bytes without the project.
    let at_the_limit = preview(&"p".repeat(183)).await.ok();
    assert_snapshot!(shown_text(&at_the_limit), @r#"
    subject (255 bytes)
      runmint:deploy:org:acme:project:ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp:stack:prod:operation:update:scope:write

    claims
    {
      "iss": "http://127.0.0.1:8080/oidc",
      "aud": "acme",
      "sub": "runmint:deploy:org:acme:project:ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp:stack:prod:operation:update:scope:write",
      "org": "acme",
      "org_id": "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID",
      "project": "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp",
      "stack": "prod",
      "operation": "update",
      "scope": "write"
    }

    limits
      ok      runmint: subject, bytes                                        255 of 255
      broken  google: google.subject, bytes                                  255 of 127
                Map a shorter value, e.g. google.subject = assertion.run_id, and compare the other claims in an attribute condition.
      ok      aws: subject, characters                                       255 of 255
      ok      azure: subject of a federated identity credential, characters  255 of 600
      ok      google: audience, characters                                   4 of 256
      broken  aws, azure, google: issuer is https
                Clouds fetch the discovery document over https from outside. Use an http issuer on loopback for trials only.
    "#);
    preview(&"p".repeat(184)).await.fails(1, "would be refused");
    preview("").await.fails(1, "Invalid input");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_identifies_the_kind_of_failure() {
    let mut app = start().await;
    let started = start_run(&app, &["--output", "json"]).await.json();
    let token = run(environment(&started), &["id-token"], "").await.ok();

    run(Vec::new(), &["org", "list"], "").await.fails(2, "RUNMINT_URL is not set");
    run(Vec::new(), &["id-token"], "").await.fails(2, "not inside a run");
    run_as(&app, &app.viewer, &["org", "create", "globex"]).await.fails(1, "admin");
    run(Vec::new(), &["inspect", "-", "--audience", "other"], &token).await.fails(6, "not valid: audience");
    run(Vec::new(), &["inspect", "-"], "no token").await.fails(6, "not valid: form");
    let in_the_clear = vec![
        ("RUNMINT_URL".to_owned(), "http://id.example.com".to_owned()),
        ("RUNMINT_ACCESS_TOKEN".to_owned(), app.viewer.clone()),
    ];
    run(in_the_clear, &["org", "list"], "").await.fails(2, "use https");

    app.stop().await;
    run_as(&app, &app.viewer, &["org", "list"]).await.fails(5, "could not reach the server");
    run(Vec::new(), &["inspect", "-"], &token).await.fails(5, "could not be verified");
    let offline = run(Vec::new(), &["inspect", "-", "--offline", "--output", "json"], &token).await.json();
    assert_eq!(offline["valid"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_trusts_only_a_known_certificate_authority() {
    let app = Setup::new(Engine::Sqlite).config("dev_tls = true").start(SystemClock.now()).run().await;
    run_as(&app, &app.viewer, &["org", "list"]).await.fails(5, "UnknownIssuer");
    let started = app.start_run(&json!({})).await;
    let ca_file = ("RUNMINT_CA_FILE".to_owned(), app.folder().join("tls/ca.pem").display().to_string());
    let mut in_the_run = environment(&started);
    in_the_run.push(ca_file.clone());
    let token = run(in_the_run, &["id-token"], "").await.ok();
    let report = run(vec![ca_file], &["inspect", "-"], &token).await.ok();
    assert!(report.ends_with("\nValid.\n"), "{report}");
    assert!(!report.contains('\u{1b}'), "no colours where nobody sees them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_may_be_in_a_file() {
    let app = start().await;
    let path = app.folder().join("token");
    std::fs::write(&path, format!("{}\n", app.viewer)).unwrap();
    let with = |file: &str| {
        let pairs = [("RUNMINT_URL", app.base_url.as_str()), ("RUNMINT_ACCESS_TOKEN_FILE", file)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let shown = run(with(path.to_str().unwrap()), &["org", "show", "acme", "--output", "json"], "").await;
    assert_eq!(shown.json()["name"], "acme");
    run(with("/nowhere"), &["org", "list"], "")
        .await
        .fails(2, "could not read RUNMINT_ACCESS_TOKEN_FILE /nowhere");
    run(vec![with("")[0].clone()], &["org", "list"], "").await.fails(2, "RUNMINT_ACCESS_TOKEN is not set");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reports_whether_the_configured_server_answers() {
    let app = start().await;
    let settings = |listen: &str| {
        let pairs = [("RUNMINT_ISSUER", app.issuer.as_str()), ("RUNMINT_LISTEN", listen)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    run(settings(&app.address.to_string()), &["health"], "").await.ok();
    // No server can listen on port 0.
    run(settings("127.0.0.1:0"), &["health"], "").await.fails(5, "could not reach http");
    run(vec![], &["health"], "").await.fails(3, "issuer: is required");
}

#[tokio::test]
async fn the_contract_and_completions_are_printed() {
    assert_eq!(run(vec![], &["openapi"], "").await.ok(), include_str!("../../openapi.yaml"));
    for shell in ["bash", "zsh", "fish"] {
        let script = run(vec![], &["completions", shell], "").await.ok();
        assert!(script.contains("id-token") && script.contains("access-token"), "{script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloud_settings_are_shown_changed_and_passed_to_runs() {
    let app = start().await;
    let as_owner = async |more: &[&str], input: &str| {
        let arguments = [&["cloud-settings"], more, &["--org", "acme"]].concat();
        run(credentials(&app, &app.owner), &arguments, input).await
    };
    assert_eq!(as_owner(&["show"], "").await.ok(), "No cloud settings.\n");
    let settings = json!({"settings": [{"aws": {"roleArn": "arn:aws:iam::123456789012:role/website"}}]});
    let set = as_owner(&["set", "--file", "-"], &settings.to_string()).await.ok();
    assert_snapshot!(shown_text(&set), @"
    version 1, YYYY-MM-DDTHH:MM:SSZ (… ago)

    PROJECT  STACK  OPERATION  CLOUD  AS
    any      any    any        aws    arn:aws:iam::123456789012:role/website
    ");
    // The shown document can be saved again once; afterwards its version is out of date.
    let shown = as_owner(&["show", "--output", "json"], "").await.ok();
    as_owner(&["set", "--file", "-"], &shown).await.ok();
    as_owner(&["set", "--file", "-"], &shown).await.fails(1, "no longer at version 1");
    as_owner(&["set", "--file", "-"], r#"{"setings": []}"#)
        .await
        .fails(2, "not a JSON object with `settings`");
    as_owner(&["set", "--file", "-"], r#"{"settings": [{"aws": {}}]}"#).await.fails(1, "missing field");
    let exports = start_run(&app, &[]).await.ok();
    assert_snapshot!(shown_text(&exports), @r#"
    export ACTIONS_ID_TOKEN_REQUEST_URL='http://127.0.0.1:8080/api/runs/UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID/id-token?api-version=1'
    export ACTIONS_ID_TOKEN_REQUEST_TOKEN='rmrt_WglOZEELQZFmm5ermtXomVgyRpZ4Ggls50vrr8Fh4EE2GtKru'
    export RUNMINT_ID_TOKEN_REQUEST_URL='http://127.0.0.1:8080/api/runs/UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID/id-token?api-version=1'
    export RUNMINT_ID_TOKEN_REQUEST_TOKEN='rmrt_WglOZEELQZFmm5ermtXomVgyRpZ4Ggls50vrr8Fh4EE2GtKru'
    export RUNMINT_RUN_ID='UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID'
    export RUNMINT_URL='http://127.0.0.1:8080'
    export RUNMINT_CLOUD_SETTINGS='{"aws":{"roleArn":"arn:aws:iam::123456789012:role/website"}}'
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audience_profiles_start_from_a_preset_and_can_be_previewed() {
    let app = start().await;
    let profile = async |more: &[&str], input: &str| {
        let arguments = [&["audience-profile"], more].concat();
        run(credentials(&app, &app.owner), &arguments, input).await
    };
    let list = profile(&["preset"], "").await.ok();
    for name in ["aws", "azure", "google", "vault", "kubernetes"] {
        assert!(list.lines().any(|line| line == name), "{list}");
        profile(&["preset", name], "").await.ok();
    }
    profile(&["preset", "oracle"], "").await.fails(2, "`oracle` is not a preset");
    let preset = profile(&["preset", "google", "--audience", "google"], "").await.ok();
    profile(&["set", "--org", "acme", "--file", "-"], &preset).await.ok();
    assert_snapshot!(shown_text(&profile(&["show", "--org", "acme"], "").await.ok()), @r#"
    version 1, YYYY-MM-DDTHH:MM:SSZ (… ago)

    {
      "google": {
        "subject": {
          "deploy": "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}"
        },
        "max_subject_bytes": 127
      }
    }
    "#);
    let short = "runmint:deploy:org:acme:run:website:it's prod:update";
    let preview =
        [&["run", "preview", "--org", "acme", "--shown-for", "google"], ATTRIBUTES.as_slice()].concat();
    assert_snapshot!(shown_text(&run_as(&app, &app.viewer, &preview).await.ok()), @r#"
    subject (52 bytes)
      runmint:deploy:org:acme:run:website:it's prod:update

    claims
    {
      "iss": "http://127.0.0.1:8080/oidc",
      "aud": "google",
      "sub": "runmint:deploy:org:acme:run:website:it's prod:update",
      "org": "acme",
      "org_id": "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID",
      "project": "website",
      "stack": "it's prod",
      "operation": "update",
      "scope": "write"
    }

    limits
      ok      runmint: subject, bytes                                        52 of 255
      ok      google: google.subject, bytes                                  52 of 127
      ok      aws: subject, characters                                       52 of 255
      ok      azure: subject of a federated identity credential, characters  52 of 600
      ok      google: audience, characters                                   6 of 256
      broken  aws, azure, google: issuer is https
                Clouds fetch the discovery document over https from outside. Use an http issuer on loopback for trials only.
    "#);
    let long = format!("project={}", "p".repeat(120));
    let refused =
        ["run", "preview", "--org", "acme", "--shown-for", "google", &long, "stack=s", "operation=update"];
    run_as(&app, &app.viewer, &refused).await.fails(1, "takes 127 at most");
    let started = start_run(&app, &["--output", "json"]).await.json();
    let token = run(environment(&started), &["id-token", "--audience", "google"], "").await.ok();
    let claims = run(Vec::new(), &["inspect", "-", "--output", "json"], &token).await.json();
    assert_eq!(claims["claims"]["sub"], short);
    let id = started["id"].as_str().unwrap();
    let shown = run_as(&app, &app.viewer, &["run", "show", id, "--audience", "google"]).await.ok();
    assert_snapshot!(shown_text(&shown), @r#"
    id            UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID
    organization  acme
    service       deploy
    state         active
    created       YYYY-MM-DDTHH:MM:SSZ (… ago)
    expires       YYYY-MM-DDTHH:MM:SSZ (in …)
    ended         not yet
    audiences     any
    subject       runmint:deploy:org:acme:run:website:it's prod:update

    attributes
    {
      "operation": "update",
      "project": "website",
      "stack": "it's prod"
    }

    claims
    {
      "iss": "http://127.0.0.1:8080/oidc",
      "aud": "google",
      "sub": "runmint:deploy:org:acme:run:website:it's prod:update",
      "org": "acme",
      "org_id": "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID",
      "project": "website",
      "stack": "it's prod",
      "operation": "update",
      "scope": "write",
      "run_id": "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID"
    }
    "#);
    let usage = profile(&["usage", "--org", "acme"], "").await.ok();
    assert_snapshot!(shown_text(&usage), @"
    AUDIENCE  RUNS  TOKENS  LAST                            LAST RUN                              PROJECTS  SUBJECT
    google    1     1       YYYY-MM-DDTHH:MM:SSZ (… ago)  UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID  website   {prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}
    ");
}
