//! The files and variables that a command gets.

use serde_json::{Value, json};

use super::token_service::TokenService;
use super::{AWS, AZURE, GCP, Machine, owned, variables};
use crate::harness::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gets_files_and_variables_and_leaves_none_behind() {
    let machine = Machine::start().await;
    let (run, mut environment) = machine.run().await;
    environment.extend(owned(&[("AWS_ACCESS_KEY_ID", "inherited"), ("AWS_REGION", "eu-west-1")]));
    let flags = [AWS.as_slice(), &AZURE, &GCP].concat();
    let script = r#"env; cd "$(dirname "$AWS_WEB_IDENTITY_TOKEN_FILE")"; stat -c 'stat %a %n' . *;
        for file in *.jwt; do echo "token $file $(cat $file) $(wc -l < $file)"; done; echo "google $(cat google.json)"; exit 7"#;
    let ended = machine.exec(&environment, &flags, script).wait();
    assert_eq!(ended.code, Some(7), "{ended:?}");

    let found = variables(&ended.stdout);
    assert_eq!((found["AWS_REGION"], found["AWS_DEFAULT_REGION"]), ("eu-west-1", "eu-west-1"));
    assert_eq!(found["AWS_ROLE_ARN"], AWS[1]);
    let id = run["id"].as_str().unwrap();
    assert_eq!(found["AWS_ROLE_SESSION_NAME"], format!("acme-website-staging-update-{id}"));
    assert_eq!((found["ARM_USE_OIDC"], found["AZURE_CLIENT_ID"]), ("true", AZURE[1]));
    assert_eq!(found["GOOGLE_APPLICATION_CREDENTIALS"], found["GOOGLE_CREDENTIALS"]);
    assert!(!found.contains_key("AWS_ACCESS_KEY_ID"));
    assert!(
        ended.stderr.contains("because the command acts as the run: AWS_ACCESS_KEY_ID\n"),
        "{}",
        ended.stderr
    );

    let modes: Vec<&str> = ended.stdout.lines().filter_map(|line| line.strip_prefix("stat ")).collect();
    assert_eq!(modes, ["700 .", "600 aws.jwt", "600 azure.jwt", "600 google.json"]);
    let tokens: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .filter_map(|line| Some(line.strip_prefix("token ")?.split(' ').collect()))
        .collect();
    for (token, audience) in tokens.iter().zip(["sts.amazonaws.com", "api://AzureADTokenExchange"]) {
        assert_eq!(token[2], "0", "no line break");
        assert_eq!(claims(token[1])["aud"], audience);
    }
    let google = ended.stdout.lines().find_map(|line| line.strip_prefix("google ")).unwrap();
    let google: Value = serde_json::from_str(google).unwrap();
    let url = google["credential_source"]["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.contains("/id-token?"), "{url}");

    assert_eq!(machine.left_over(), [""; 0]);
    assert_eq!(machine.state_of(id).await, "active", "who started it ends it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runs_request_token_is_not_passed_to_the_command() {
    let machine = Machine::start().await;
    let (run, environment) = machine.run().await;
    let ended = machine.exec(&environment, &[], "env; cat /proc/$PPID/cmdline").wait().ok();
    let request_token = run["request_token"].as_str().unwrap();
    assert!(!ended.stdout.contains(request_token) && !ended.stderr.contains(request_token));
    assert!(variables(&ended.stdout)["ACTIONS_ID_TOKEN_REQUEST_URL"].starts_with("http://127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runs_settings_apply_unless_a_flag_overrides_them_for_a_cloud() {
    let machine = Machine::start().await;
    let (_, mut environment) = machine.run().await;
    let settings = json!({
        "aws": {"roleArn": "arn:aws:iam::123456789012:role/configured", "sessionName": "fixed"},
        "azure": {"clientId": AZURE[1], "tenantId": AZURE[3]},
    });
    environment.push(("RUNMINT_CLOUD_SETTINGS".into(), settings.to_string()));
    let ended = machine.exec(&environment, &[], "env").wait().ok();
    let found = variables(&ended.stdout);
    assert!(found["AWS_ROLE_ARN"].ends_with("role/configured") && found.contains_key("AZURE_TENANT_ID"));
    assert_eq!(found["AWS_ROLE_SESSION_NAME"], "fixed");
    let ended = machine.exec(&environment, &AWS, "env").wait().ok();
    let found = variables(&ended.stdout);
    assert!(found["AWS_ROLE_ARN"].ends_with("role/deploy") && found.contains_key("AZURE_TENANT_ID"));

    *environment.last_mut().unwrap() = ("RUNMINT_CLOUD_SETTINGS".into(), "{\"aws\": {}}".into());
    let refused = machine.exec(&environment, &[], "env").wait();
    assert!(refused.refusal(2).contains("missing field `roleArn`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_aws_clis_cached_session_is_neither_reused_nor_left_behind() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    let flags = [AWS.as_slice(), &["--aws-session-name", "fixed"]].concat();
    // hashlib.sha1(json.dumps({"RoleArn": …, "RoleSessionName": "fixed"}, sort_keys=True).encode()).hexdigest()
    let cache = machine.folder.path().join("home/.aws/cli/cache");
    let kept = cache.join("8ddab26ead18f7b6daaef8014779df62b1e87f7b.json");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(&kept, "an earlier run's").unwrap();
    std::fs::write(cache.join("other.json"), "somebody's").unwrap();
    let script = r#"ls "$HOME/.aws/cli/cache"; echo mine > "$HOME/.aws/cli/cache/8ddab26ead18f7b6daaef8014779df62b1e87f7b.json""#;
    let ended = machine.exec(&environment, &flags, script).wait().ok();
    assert_eq!(ended.stdout, "other.json\n");
    assert_eq!(super::names_in(&cache), ["other.json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_mode_writes_no_token_to_disk() {
    let machine = Machine::start().await;
    let service = TokenService::start().await;
    let (_, environment) = machine.run().await;
    let flags = [
        AWS.as_slice(),
        &AZURE,
        &GCP,
        &["--mode", "endpoint", "--aws-policy-arn", "arn:aws:iam::aws:policy/X"],
    ];
    let script = r#"env; ls "$(dirname "$GOOGLE_APPLICATION_CREDENTIALS")""#;
    let environment = [environment, service.variables()].concat();
    let ended = machine.exec(&environment, &flags.concat(), script).wait().ok();
    let found = variables(&ended.stdout);
    assert!(found["AWS_CONTAINER_CREDENTIALS_FULL_URI"].ends_with("/aws/credentials"));
    assert!(
        !found.contains_key("AWS_WEB_IDENTITY_TOKEN_FILE")
            && !found.contains_key("AZURE_FEDERATED_TOKEN_FILE")
    );
    assert!(ended.stdout.ends_with("\ngoogle.json\n"), "{}", ended.stdout);
    let (path, body) = &service.asked()[0];
    assert!(
        path == "/" && body.contains("PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FX"),
        "{body}"
    );
}

/// Without these policies a session could do more than was configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_policies_without_a_variable_are_applied_by_exchanging_in_exec() {
    let machine = Machine::start().await;
    let service = TokenService::start().await;
    let (_, environment) = machine.run().await;
    let flags = [AWS.as_slice(), &["--aws-policy-arn", "arn:aws:iam::aws:policy/X"]].concat();
    let environment = [environment, service.variables()].concat();
    let ended = machine.exec(&environment, &flags, "env").wait().ok();
    assert!(variables(&ended.stdout).contains_key("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("AWS_WEB_IDENTITY_TOKEN_FILE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_mode_gives_a_command_credentials_of_each_cloud() {
    let machine = Machine::start().await;
    let service = TokenService::start().await;
    let (_, environment) = machine.run().await;
    let account = ["--gcp-service-account", "deploy@acme.iam.gserviceaccount.com"];
    let flags = [AWS.as_slice(), &AZURE, &GCP, &account, &["--mode", "credentials"]].concat();
    let environment = [environment, service.variables()].concat();
    let ended = machine.exec(&environment, &flags, "env").wait().ok();
    let found = variables(&ended.stdout);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "ASIASTANDIN"),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
        ("AWS_SESSION_TOKEN", "aws-session"),
        ("AZURE_ACCESS_TOKEN", "azure-access"),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", "google-account"),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "google-account"),
    ] {
        assert_eq!(found[name], value);
    }
    assert!(
        ended.stderr.contains("credentials for AWS are valid until 2099-01-01T00:00:00Z and are not renewed")
    );
    for secret in ["aws-secret", "aws-session", "azure-access", "google-account", "google-pool"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
    let paths: Vec<String> = service.asked().into_iter().map(|(path, _)| path).collect();
    let azure = format!("/{}/oauth2/v2.0/token", AZURE[3]);
    let google = "/v1/projects/-/serviceAccounts/deploy@acme.iam.gserviceaccount.com:generateAccessToken";
    assert_eq!(paths, ["/", &azure, "/v1/token", google]);
    assert!(!machine.folder.path().join("runmint-0").exists(), "nothing is on the disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_masked_on_standard_error_before_the_command_starts() {
    let machine = Machine::start().await;
    let flags = [AWS.as_slice(), &GCP, &["--gcp-source", "file"]].concat();
    let script = r#"echo "$ACTIONS_ID_TOKEN_REQUEST_TOKEN"; cat "$AWS_WEB_IDENTITY_TOKEN_FILE"; echo; echo begins >&2"#;
    for (variable, command) in [("GITHUB_ACTIONS", "::add-mask::"), ("TF_BUILD", "##vso[task.setsecret]")] {
        let (_, environment) = machine.run().await;
        let environment = [environment, owned(&[(variable, "true")])].concat();
        let ended = machine.exec(&environment, &flags, script).wait().ok();
        let (before, _) = ended.stderr.split_once("begins").unwrap();
        let secrets: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(secrets.len(), 2, "{}", ended.stdout);
        for secret in secrets {
            assert!(before.lines().any(|line| line.strip_prefix(command) == Some(secret)), "{before}");
        }
        let commands: Vec<&str> = before.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(commands.len(), 3, "the endpoint's token and those in two files: {before}");
    }
    let (_, environment) = machine.run().await;
    let ended = machine.exec(&environment, &flags, script).wait().ok();
    assert_eq!(ended.stderr, "begins\n", "nobody would hide it, so nobody is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_to_write_to_a_folder_prepared_by_another_user() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    machine.exec(&environment, &AWS, "true").wait().ok();
    let base = machine.base();
    std::fs::remove_dir(&base).unwrap();
    let elsewhere = machine.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &base).unwrap();
    let refused = machine.exec(&environment, &AWS, "true").wait();
    assert!(refused.refusal(1).contains("it is not a private folder"), "{refused:?}");
    assert_eq!(super::names_in(&elsewhere), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_is_started_without_a_valid_run() {
    let machine = Machine::start().await;
    let (run, mut environment) = machine.run().await;
    let touch = |name: &str| machine.folder.path().join(name);
    let script = format!("touch {}", touch("started").display());
    let refused = machine.exec(&machine.environment(), &AWS, &script).wait();
    assert!(refused.refusal(2).contains("not inside a run"));
    let id = run["id"].as_str().unwrap();
    machine.app.post_ok(&machine.app.orchestrator, &format!("/api/runs/{id}/finish"), &Value::Null).await;
    let refused = machine.exec(&environment, &AWS, &script).wait();
    assert!(refused.refusal(1).contains("could not get a token for the run: "), "{refused:?}");
    environment.retain(|(name, _)| name != "RUNMINT_ID_TOKEN_REQUEST_TOKEN");
    let refused = machine.exec(&environment, &AWS, &script).wait();
    assert!(refused.refusal(2).contains("RUNMINT_ID_TOKEN_REQUEST_TOKEN is not set"));
    assert!(!touch("started").exists());
    assert_eq!(machine.left_over(), [""; 0]);

    for (command, code) in [("/nowhere/command", 127), ("/etc/passwd", 126)] {
        let (_, environment) = machine.run().await;
        let all = [&["exec"], AWS.as_slice(), &["--", command]].concat();
        let refused = Process::start(machine.folder.path(), &all, &environment).wait();
        assert!(refused.refusal(code).starts_with(&format!("could not run {command}: ")), "{refused:?}");
        assert_eq!(machine.left_over(), [""; 0]);
    }
}

pub(super) fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
