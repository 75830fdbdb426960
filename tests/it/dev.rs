//! `runmint dev`: the first command that a newcomer runs.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{Answer, Process};

fn dev(folder: &TempDir, arguments: &[&str]) -> Process {
    let usual = ["dev", "--listen", "127.0.0.1:0", "--data-dir", "trial/data", "--keys-dir", "trial/keys"];
    Process::start(folder.path(), &[&usual, arguments].concat(), &[])
}

/// The first line, for scripts.
fn first_line(process: &Process) -> Value {
    serde_json::from_str(&process.stdout_until("\n")).unwrap()
}

async fn get(token: &str, url: &str) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(url);
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    Answer::read(request.send().await.unwrap()).await
}

async fn key_set(shown: &Value) -> JwkSet {
    let issuer = shown["issuer"].as_str().unwrap();
    let discovery = get("", &format!("{issuer}/.well-known/openid-configuration")).await.ok();
    assert_eq!(discovery["issuer"], issuer);
    serde_json::from_value(get("", discovery["jwks_uri"].as_str().unwrap()).await.ok()).unwrap()
}

#[tokio::test]
async fn a_script_needs_only_the_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let process = dev(&folder, &["--output", "json"]);
    let shown = first_line(&process);
    let text = |pointer: &str| {
        shown.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {shown}"))
    };
    let base_url = text("/base_url");
    assert_eq!(text("/issuer"), format!("{base_url}/oidc"));
    assert_eq!(text("/organization"), "acme");
    assert!(folder.path().join("trial/data/runmint.db").exists());
    assert!(folder.path().join("trial/keys/sealing.key").exists());

    // The token is an owner's: it sees acme's access tokens, its own among them, and has no rights outside
    // acme.
    let tokens = get(text("/access_token"), &format!("{base_url}/api/orgs/acme/access-tokens")).await.ok();
    let tokens = tokens["access_tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!((&tokens[0]["role"], &tokens[0]["organization"]), (&json!("owner"), &json!("acme")));
    get(text("/access_token"), &format!("{base_url}/api/access-tokens")).await.problem(403, "forbidden");
    get(text("/admin_token"), &format!("{base_url}/api/access-tokens")).await.ok();

    let jwks = key_set(&shown).await;
    let now: Timestamp = SystemClock.now();
    let verify =
        |token: &str| Value::Object(crate::harness::verify(token, &jwks, text("/issuer"), now).unwrap());
    let claims = verify(text("/id_token"));
    assert_eq!((&claims["aud"], &claims["run_id"]), (&json!("acme"), &shown["run"]["id"]));
    let another =
        get(text("/run/request_token"), &format!("{}&audience=vault", text("/run/request_url"))).await.ok();
    assert_eq!(verify(another["value"].as_str().unwrap())["aud"], "vault");
}

#[tokio::test]
async fn a_second_start_reuses_the_state_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = dev(&folder, &["--output", "json"]);
    let shown = first_line(&first);
    let kid = key_set(&shown).await.keys[0].common.key_id.clone();
    let mut organization =
        get(shown["access_token"].as_str().unwrap(), &api(&shown, "/orgs/acme")).await.ok();
    first.signal("INT");
    first.wait().ok();

    let second = dev(&folder, &["--output", "json"]);
    let again = first_line(&second);
    let keys = key_set(&again).await.keys;
    assert_eq!(keys[0].common.key_id, kid);
    // This time another port was free.
    organization["issuer"] = again["issuer"].clone();
    for token in [&shown["access_token"], &again["access_token"]] {
        assert_eq!(get(token.as_str().unwrap(), &api(&again, "/orgs/acme")).await.ok(), organization);
    }
    let runs = get(shown["access_token"].as_str().unwrap(), &api(&again, "/orgs/acme/runs")).await.ok();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);
    // The run of the first start may still request tokens.
    let url = api(&again, &format!("/runs/{}/id-token", shown["run"]["id"].as_str().unwrap()));
    get(shown["run"]["request_token"].as_str().unwrap(), &url).await.ok();
}

fn api(shown: &Value, path: &str) -> String {
    format!("{}/api{path}", shown["base_url"].as_str().unwrap())
}

#[tokio::test]
async fn the_curl_lines_work_as_they_are_printed() {
    for arguments in [&[][..], &["--dev-tls"]] {
        let folder = tempfile::tempdir().unwrap();
        let process = dev(&folder, arguments);
        let tour = process.stdout_until("Ctrl-C stops.");
        let scheme = if arguments.is_empty() { "http" } else { "https" };
        assert!(tour.contains(&format!("issuer        {scheme}://127.0.0.1:")), "{tour}");
        assert!(tour.contains("\"sub\": \"runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write\""), "{tour}");
        let commands = curl_commands(&tour);
        assert_eq!(commands.len(), 2, "{tour}");
        let minted = curl(&folder, &commands[0]).await;
        assert_eq!(minted["count"], 1, "{minted}");
        let started = curl(&folder, &commands[1]).await;
        assert_eq!(started["attributes"]["stack"], "prod", "{started}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runmint_lines_work_as_they_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let process = dev(&folder, &["--dev-tls"]);
    let tour = process.stdout_until("Ctrl-C stops.");
    let (_, rest) = tour.split_once("The same with this program:").unwrap();
    let (lines, _) = rest.split_once("Admin access token").unwrap();
    let program = env!("CARGO_BIN_EXE_runmint");
    let script = format!("set -e\nrunmint() {{ {program} \"$@\"; }}\n{lines}");
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path()).stdin(Stdio::null()).args(["-c", &script]);
    let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("sts.amazonaws.com"), "{printed}");
}

/// The lines that begin with `curl`, each with its continuation lines.
fn curl_commands(tour: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut continues = false;
    for line in tour.lines() {
        if line.starts_with("  curl ") {
            commands.push(String::new());
        } else if !continues {
            continue;
        }
        commands.last_mut().unwrap().extend([line, "\n"]);
        continues = line.ends_with('\\');
    }
    commands
}

/// The service's answer to the command, split by a shell as at a prompt. If curl is not installed, the test
/// stands in for it.
async fn curl(folder: &TempDir, command: &str) -> Value {
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path()).stdin(Stdio::null()).env("no_proxy", "*");
    let there_is_one = Command::new("sh").args(["-c", "command -v curl"]).stdout(Stdio::null()).status();
    let printed = if there_is_one.unwrap().success() {
        let command = format!("curl() {{ command curl --silent --show-error \"$@\"; }}\n{command}");
        shell.args(["-c", &command]).output().unwrap()
    } else {
        let command = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{command}");
        let words = shell.args(["-c", &command]).output().unwrap();
        return as_curl_would(folder, std::str::from_utf8(&words.stdout).unwrap()).await;
    };
    serde_json::from_slice(&printed.stdout).unwrap_or_else(|_| panic!("{command}\n{printed:?}"))
}

async fn as_curl_would(folder: &TempDir, words: &str) -> Value {
    let (mut client, mut method, mut url) = (reqwest::Client::builder().no_proxy(), reqwest::Method::GET, "");
    let (mut headers, mut body) = (Vec::new(), None);
    let mut words = words.lines();
    while let Some(word) = words.next() {
        match word {
            "-X" => method = words.next().unwrap().parse().unwrap(),
            "-H" => headers.push(words.next().unwrap().split_once(": ").unwrap()),
            "-d" => body = words.next().map(str::to_owned),
            "--cacert" => {
                let pem = std::fs::read(folder.path().join(words.next().unwrap())).unwrap();
                client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap());
            }
            word => url = word,
        }
    }
    let mut request = client.build().unwrap().request(method, url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    Answer::read(request.send().await.unwrap()).await.ok()
}

#[tokio::test]
async fn the_stand_in_for_curl_works_if_curl_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let process = dev(&folder, &["--output", "json"]);
    let shown = first_line(&process);
    let (url, token) = (api(&shown, "/orgs/acme/runs"), shown["access_token"].as_str().unwrap());
    let body = json!({"service": "environment", "attributes": {"project": "website", "environment": "prod"}});
    let words = format!(
        "-X\nPOST\n{url}\n-H\nAuthorization: Bearer {token}\n-H\nContent-Type: application/json\n-d\n{body}"
    );
    assert_eq!(as_curl_would(&folder, &words).await["service"], "environment");
}

#[tokio::test]
async fn tls_can_be_enabled_by_environment_and_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dev.toml"), "dev_tls = true\ndatabase_url = 'sqlite:mine.db'")
        .unwrap();
    let usual = ["dev", "--listen", "127.0.0.1:0", "--output", "json"];
    let variable = [("RUNMINT_DEV_TLS".to_owned(), "true".to_owned())];
    for (arguments, environment) in [(&[][..], &variable[..]), (&["--config", "dev.toml"], &[])] {
        let process = Process::start(folder.path(), &[&usual, arguments].concat(), environment);
        let shown = first_line(&process);
        assert!(shown["issuer"].as_str().unwrap().starts_with("https://"), "{shown}");
    }
    // The defaults of `dev` do not override the file.
    assert!(folder.path().join("mine.db").exists());
}

#[tokio::test]
async fn a_port_in_use_is_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let exited = Process::start(folder.path(), &["dev", "--listen", &address], &[]).wait();
    let line = exited.refusal(1);
    assert!(line.contains(&address) && line.contains("--listen"), "{line}");
    // The port is tried first, so nothing is created for a service that cannot start.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
