//! The endpoint of a run, and what each of its callers gets.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::token_service::TokenService;
use super::{AWS, Machine, variables};
use crate::harness::Process;

/// A waiting command and its environment.
struct Running {
    exec: Process,
    url: String,
    token: String,
    printed: String,
}

impl Running {
    async fn start(machine: &Machine, flags: &[&str], more: &[(String, String)]) -> Self {
        let (_, environment) = machine.run().await;
        let environment = [environment, more.to_vec()].concat();
        let exec =
            machine.exec(&environment, flags, "env; echo ready; while kill -0 $PPID; do sleep 0.05; done");
        let printed = exec.stdout_until("ready\n");
        let found = variables(&printed);
        let (url, token) = (found["ACTIONS_ID_TOKEN_REQUEST_URL"], found["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
        Self { exec, url: url.to_owned(), token: token.to_owned(), printed: printed.clone() }
    }

    fn origin(&self) -> &str {
        self.url.split_once("/id-token").unwrap().0
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.request(method, format!("{}{path}", self.origin())).bearer_auth(&self.token)
    }
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_githubs_request_protocol_to_holders_of_its_token() {
    let machine = Machine::start().await;
    let running = Running::start(&machine, &[], &[]).await;
    let answer =
        running.ask(Method::GET, "/id-token?api-version=1&audience=sts.amazonaws.com&lifetime_seconds=600");
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["count"], 1);
    let token = answer["value"].as_str().unwrap();
    let claims = super::handing_over::claims(token);
    assert_eq!(claims["aud"], "sts.amazonaws.com");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);

    let good = "/id-token?api-version=1";
    let ask = |path: &str| running.ask(Method::GET, path);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let unproven =
        |token: &str| http.get(format!("{}{good}", running.origin())).header("authorization", token);
    assert_eq!(status(http.get(format!("{}{good}", running.origin()))).await, 401);
    for wrong in [
        "Bearer x",
        "Bearer ",
        &running.token,
        &format!("Bearer {}x", running.token),
        &format!("bearer {}", running.token),
    ] {
        assert_eq!(status(unproven(wrong)).await, 401, "{wrong}");
    }
    assert_eq!(status(ask(good).header("authorization", "Bearer x")).await, 401, "two of them");
    for host in ["localhost", "evil.example", "127.0.0.1"] {
        assert_eq!(status(ask(good).header("host", host)).await, 403, "{host}");
    }
    for nowhere in ["/", "/id-token/", "/aws/credentials", "/id-token%2f"] {
        assert_eq!(status(ask(nowhere)).await, 404, "{nowhere}");
    }
    for method in [Method::POST, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(status(running.ask(method, good)).await, 405);
    }
    for bad in
        ["?audience=a&audience=b", "?x=1", "?lifetime_seconds=soon", "?audience=%20", "?lifetime_seconds=1"]
    {
        assert_eq!(status(ask(&format!("/id-token{bad}"))).await, 400, "{bad}");
    }
    let long = ask(good).header("x", "x".repeat(32 * 1024)).send().await;
    assert!(long.is_err() || long.unwrap().status().is_client_error(), "a head has bounds");

    running.exec.signal("TERM");
    running.exec.wait();
    let gone = http.get(&running.url).send().await;
    assert!(gone.unwrap_err().is_connect(), "it ends with the command");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_aws_container_credentials_until_the_run_ends() {
    let machine = Machine::start().await;
    let service = TokenService::start().await;
    let flags = [AWS.as_slice(), &["--mode", "endpoint", "--aws-duration", "15m"]].concat();
    let running = Running::start(&machine, &flags, &service.variables()).await;
    let found = variables(&running.printed);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = || {
        http.get(found["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
            .header("authorization", found["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    };
    let answer: Value = ask().send().await.unwrap().json().await.unwrap();
    let expected = serde_json::json!({
        "AccessKeyId": "ASIASTANDIN", "SecretAccessKey": "aws-secret", "Token": "aws-session",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    assert_eq!(answer, expected);
    assert_eq!(status(ask()).await, 200);
    let asked = service.asked();
    assert_eq!(asked.len(), 1, "kept while they live");
    assert!(asked[0].1.contains("DurationSeconds=900"), "{}", asked[0].1);
    let unproven = http.get(found["AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
    assert_eq!(status(unproven).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_run_gets_nothing_more_from_it() {
    let machine = Machine::start().await;
    let running = Running::start(&machine, &[], &[]).await;
    assert_eq!(status(running.ask(Method::GET, "/id-token")).await, 200);
    let id = variables(&running.printed)["RUNMINT_RUN_ID"].to_owned();
    machine.app.post_ok(&machine.app.orchestrator, &format!("/api/runs/{id}/cancel"), &Value::Null).await;
    let refused = running.ask(Method::GET, "/id-token").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["detail"].as_str().unwrap().contains("gets no more tokens"), "{refused}");
}

/// Our own program runs unchanged inside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runmint_commands_work_inside_exec() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    let program = env!("CARGO_BIN_EXE_runmint");
    let script =
        format!("{program} id-token --audience a && {program} exec -- {program} id-token --audience b");
    let ended = machine.exec(&environment, &[], &script).wait().ok();
    assert_eq!(ended.stdout.matches('.').count(), 4, "{ended:?}");
}
