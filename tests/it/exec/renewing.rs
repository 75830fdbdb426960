//! Renewing token files, with a service whose tokens live for seconds.

use crate::harness::{Engine, Installation, Process};

use super::owned;

/// A minute in production takes 0.4 s here. Only loopback may be this fast.
const DIVISOR: &str = "150";
const SETTINGS: &str = "token_lifetime = '4s'\ntoken_lifetime_max = '4s'\nserve_stale = '5s'\npublish_ahead = '8s'\nkeep_published = '10s'\nrotate_every = '19s'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_is_always_valid_until_the_run_is_cancelled() {
    let database = crate::harness::TestDatabase::create(Engine::Sqlite, std::path::Path::new("")).await;
    let installation = Installation::behind("http://localhost/oidc", database)
        .configure(SETTINGS)
        .variable("RUNMINT_TEST_TIME_SCALE", DIVISOR);
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let url = format!("http://{}{}", service.address, crate::harness::request_path(&run));
    let environment = owned(&[
        ("PATH", "/usr/bin:/bin"),
        ("AWS_REGION", "eu-central-1"),
        ("TMPDIR", &installation.folder().display().to_string()),
        ("RUNMINT_ID_TOKEN_REQUEST_URL", &url),
        ("RUNMINT_ID_TOKEN_REQUEST_TOKEN", run["request_token"].as_str().unwrap()),
    ]);
    // Each line is one token; the test compares `exp` with the time.
    let script = r#"while kill -0 $PPID; do now=$(date +%s); token=$(cat "$AWS_WEB_IDENTITY_TOKEN_FILE");
        [ "$token" = "$last" ] || { count=$((count + 1)); echo "renewal $count"; }
        last=$token; echo "at $now $token"; sleep 0.05; done"#;
    let arguments = ["exec", "--aws-role-arn", super::AWS[1], "--", "sh", "-c", script];
    let exec = Process::start(installation.folder(), &arguments, &environment);
    exec.stdout_line("renewal 5");
    let id = run["id"].as_str().unwrap();
    service.post(&admin, &format!("/api/runs/{id}/cancel"), &serde_json::Value::Null).await.ok();
    exec.log_line("aws.jwt: no longer renewed; the current token is valid until it expires: ");
    exec.signal("TERM");
    let ended = exec.wait();
    assert_eq!(ended.code, Some(143));
    // After the last renewal the token may expire.
    let (renewed, _) = ended.stdout.split_once("renewal 5").unwrap();
    let mut looks = 0;
    for line in renewed.lines().filter_map(|line| line.strip_prefix("at ")) {
        let (now, token) = line.split_once(' ').unwrap();
        let exp = super::handing_over::claims(token)["exp"].as_i64().unwrap();
        assert!(now.parse::<i64>().unwrap() <= exp, "at {now} a token that ended at {exp}");
        looks += 1;
    }
    assert!(looks > 10, "{looks}");
    // On a busy machine a service this fast may have refused once, which is logged.
    assert!(ended.stderr.lines().all(|line| line.starts_with("runmint: aws.jwt: ")), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_token_stays_during_an_outage_and_is_renewed_afterwards() {
    let database = crate::harness::TestDatabase::create(Engine::Sqlite, std::path::Path::new("")).await;
    let installation = Installation::behind("http://localhost/oidc", database)
        .configure(SETTINGS)
        .variable("RUNMINT_TEST_TIME_SCALE", DIVISOR);
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let url = format!("http://{}{}", service.address, crate::harness::request_path(&run));
    let environment = owned(&[
        ("PATH", "/usr/bin:/bin"),
        ("AWS_REGION", "eu-central-1"),
        ("TMPDIR", &installation.folder().display().to_string()),
        ("RUNMINT_ID_TOKEN_REQUEST_URL", &url),
        ("RUNMINT_ID_TOKEN_REQUEST_TOKEN", run["request_token"].as_str().unwrap()),
    ]);
    let script = "echo ready; while kill -0 $PPID; do sleep 0.05; done";
    let arguments = ["exec", "--aws-role-arn", super::AWS[1], "--", "sh", "-c", script];
    let exec = Process::start(installation.folder(), &arguments, &environment);
    exec.stdout_line("ready");
    service.process.pause();
    service.process.signal("KILL");
    let said = exec.log_line("aws.jwt: ");
    assert!(said.contains("could not reach the server") && said.contains("(trying again; "), "{said}");
    assert!(!said.contains(run["request_token"].as_str().unwrap()));
    exec.signal("TERM");
    assert_eq!(exec.wait().code, Some(143), "it ended nothing");
}
