//! Trust documents: written by the real program from what a real server says, and tested against its runs.

use std::path::Path;

use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Ended, Engine, Setup, TestApp, run};

/// A server over https, as clouds want it, with a run that updates acme's website and one of another project.
struct Scene {
    app: TestApp,
    folder: TempDir,
}

const WEBSITE: [&str; 4] = ["--org", "acme", "--project", "website"];

impl Scene {
    async fn set() -> Self {
        // The program verifies certificates by the machine's clock.
        let app = Setup::new(Engine::Sqlite).config("dev_tls = true").start(SystemClock.now()).run().await;
        app.start_run(&json!({})).await;
        let other = json!({"project": "shop", "stack": "staging", "operation": "update"});
        app.start_run(&json!({"attributes": other})).await;
        Self { app, folder: tempfile::tempdir().unwrap() }
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        let authority = self.app.folder().join("tls/ca.pem").display().to_string();
        let environment = [
            ("RUNMINT_URL", self.app.base_url.as_str()),
            ("RUNMINT_ACCESS_TOKEN", &self.app.viewer),
            ("RUNMINT_CA_FILE", &authority),
        ];
        let owned = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        run(owned.to_vec(), arguments, "").await
    }

    fn file(&self, text: &str) -> String {
        let path = self.folder.path().join("document");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// How a document fares with the runs of acme.
    async fn review(&self, document: &str, more: &[&str]) -> (i32, Value) {
        let file = self.file(document);
        let arguments =
            [&["trust", "test", &file, "--org", "acme", "--runs", "last:500", "--output", "json"], more]
                .concat();
        let ended = self.run(&arguments).await;
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr)))
    }
}

/// What each relying party must be told beside the runs.
fn targets() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("aws", vec!["aws", "--account", "111122223333", "--role-name", "deploy"]),
        ("azure", vec!["azure", "--application-id", "11111111-2222-4333-8444-555555555555"]),
        ("google", vec!["gcp", "--project-number", "12", "--pool", "runmint", "--provider", "acme"]),
        (
            "vault",
            vec![
                "vault",
                "--role-name",
                "deploy",
                "--policy",
                "deploy",
                "--audience",
                "https://vault.example.com",
            ],
        ),
        ("kubernetes", vec!["kubernetes", "--audience", "https://cluster.example.com"]),
    ]
}

fn outcomes(review: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = review["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            let subject = run["subject"].as_str().unwrap();
            let project = subject.split(':').skip_while(|part| *part != "project").nth(1).unwrap();
            (project.to_owned(), run["accepts"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn what_is_written_for_each_relying_party_accepts_the_run_it_is_for_and_no_other() {
    let scene = Scene::set().await;
    let exact = ["--stack", "staging", "--operation", "update"];
    for (kind, target) in targets() {
        let arguments = [&["trust"], target.as_slice(), &WEBSITE, &exact, &["--format", "json"]].concat();
        let document = scene.run(&arguments).await.ok();
        let (code, review) = scene.review(&document, &[]).await;
        assert_eq!(review["kind"], kind);
        let expected = [("shop".to_owned(), "no".to_owned()), ("website".to_owned(), "yes".to_owned())];
        assert_eq!(outcomes(&review), expected, "{kind} {review:#}");
        assert_eq!((code, &review["also"]), (0, &json!([])), "{kind} {review:#}");

        // Without a server the same comes out.
        let offline = [arguments.as_slice(), &["--issuer", &scene.app.issuer]].concat();
        assert_eq!(run(Vec::new(), &offline, "").await.ok(), document, "{kind}");
    }
}

#[tokio::test]
async fn what_is_left_open_is_told_as_what_nobody_has_run_yet() {
    let scene = Scene::set().await;
    for (kind, target) in targets().into_iter().filter(|(kind, _)| *kind != "azure") {
        let arguments =
            [&["trust"], target.as_slice(), &WEBSITE, &["--operation", "update", "--format", "json"]]
                .concat();
        let document = scene.run(&arguments).await.ok();
        let (code, review) = scene.review(&document, &[]).await;
        let also: Vec<&str> =
            review["also"].as_array().unwrap().iter().map(|also| also["what"].as_str().unwrap()).collect();
        assert_eq!((code, also), (0, vec!["any other stack"]), "{kind} {review:#}");
    }
    let azure = [&["trust", "azure"], WEBSITE.as_slice(), &["--format", "json"]].concat();
    scene.run(&azure).await.fails(2, "--stack and --operation");
}

#[tokio::test]
async fn every_project_is_trusted_only_by_who_says_so_twice() {
    let scene = Scene::set().await;
    let with = |more: &[&'static str]| {
        let all = [
            "trust",
            "aws",
            "--org",
            "acme",
            "--account",
            "111122223333",
            "--role-name",
            "deploy",
            "--format",
            "json",
        ];
        [&all, more].concat()
    };
    scene.run(&with(&[])).await.fails(2, "--project");
    scene.run(&with(&["--any-project"])).await.fails(2, "--confirm");
    scene.run(&with(&["--any-project", "--confirm", "globex"])).await.fails(2, "say so twice");
    scene.run(&with(&["--project", "*"])).await.fails(2, "leave the flag out");
    let document = scene.run(&with(&["--any-project", "--confirm", "acme"])).await.ok();
    let (_, review) = scene.review(&document, &[]).await;
    let also = review["also"].to_string();
    assert!(also.contains("any stack of any project") && !also.contains("organization"), "{also}");
}

#[tokio::test]
async fn a_policy_that_strangers_fit_is_a_problem() {
    let scene = Scene::set().await;
    let provider = scene.app.issuer.strip_prefix("https://").unwrap().to_owned();
    let policy = |subject: &str| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{provider}")},
            "Condition": {
                "StringEquals": {format!("{provider}:aud"): "sts.amazonaws.com"},
                "StringLike": {format!("{provider}:sub"): subject},
            },
        }]})
        .to_string()
    };
    let (code, review) = scene.review(&policy("runmint:deploy:org:acme*"), &[]).await;
    let codes: Vec<&str> =
        review["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(code, 1);
    assert!(codes.contains(&"wildcard_within_name") && codes.contains(&"accepts_strangers"), "{codes:?}");

    let wrong = policy("runmint:deploy:org:acme:project:shop:stack:prod:*");
    let (code, review) = scene.review(&wrong, &[]).await;
    assert_eq!((code, review["findings"][0]["code"].as_str()), (1, Some("accepts_nobody")));
    let shop = review["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["subject"].to_string().contains("shop"))
        .unwrap();
    let differs: Vec<&Value> =
        shop["conditions"].as_array().unwrap().iter().filter(|one| one["holds"] == "no").collect();
    assert_eq!(differs.len(), 1, "{shop:#}");
    assert!(differs[0]["found"].as_str().unwrap().contains(":stack:staging:"), "{shop:#}");

    // A run that nobody started, and what must become of it.
    let file = scene.file(&policy("runmint:deploy:org:acme:project:shop:stack:prod:*"));
    let hypothetical = ["project=shop", "stack=prod", "operation=destroy"];
    let mut arguments = vec!["trust", "test", &file, "--org", "acme"];
    arguments.extend(hypothetical.iter().flat_map(|one| ["--attribute", one]));
    scene.run(&[arguments.as_slice(), &["--expect", "accepted"]].concat()).await.ok();
    scene
        .run(&[arguments.as_slice(), &["--expect", "refused"]].concat())
        .await
        .fails(1, "expected to be refused");
}

#[tokio::test]
async fn documents_are_written_in_the_language_that_is_asked_for() {
    let scene = Scene::set().await;
    let exact = ["--stack", "staging", "--operation", "update"];
    let form = async |target: &[&'static str], form: &str| {
        scene.run(&[&["trust"], target, &WEBSITE, &exact, &["--format", form]].concat()).await
    };
    for (kind, target) in targets() {
        let (terraform, cli) = match kind {
            "aws" => ("aws_iam_openid_connect_provider", "aws iam create-role"),
            "azure" => {
                ("azuread_application_federated_identity_credential", "az ad app federated-credential create")
            }
            "google" => (
                "google_iam_workload_identity_pool_provider",
                "gcloud iam workload-identity-pools providers create-oidc",
            ),
            "vault" => ("vault_jwt_auth_backend_role", "vault write auth/jwt/role/deploy"),
            _ => ("", "--authentication-config"),
        };
        assert!(form(&target, "cli").await.ok().contains(cli), "{kind}");
        if terraform.is_empty() {
            form(&target, "terraform").await.fails(2, "not for Kubernetes");
        } else {
            assert!(form(&target, "terraform").await.ok().contains(terraform), "{kind}");
        }
        if kind == "aws" {
            let template: Value = serde_json::from_str(&form(&target, "cloudformation").await.ok()).unwrap();
            assert_eq!(template["Resources"]["Role"]["Type"], "AWS::IAM::Role");
        } else {
            form(&target, "cloudformation").await.fails(2, "is not for");
        }
    }
}

#[tokio::test]
async fn what_stands_for_a_name_is_asked_for() {
    let scene = Scene::set().await;
    for target in [
        vec!["aws", "--account", "ACCOUNT_ID", "--role-name", "deploy"],
        vec!["aws", "--account", "111122223333", "--role-name", "<role>"],
        vec!["aws", "--account", "111122223333"],
        vec!["gcp", "--project-number", "my-project", "--pool", "runmint", "--provider", "acme"],
        vec!["vault", "--role-name", "deploy", "--policy", "deploy"],
        vec!["kubernetes", "--audience", "YOUR_CLUSTER"],
    ] {
        let ended = scene.run(&[&["trust"], target.as_slice(), &WEBSITE].concat()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{target:?}");
    }
    assert!(Path::new(&scene.file("")).exists());
}

#[tokio::test]
async fn a_strange_file_is_refused_with_what_it_could_be() {
    let scene = Scene::set().await;
    for text in ["", "hello", "{}", "{\"Statement\": [{}]}", "a: [", "\u{0}"] {
        let file = scene.file(text);
        let ended = scene.run(&["trust", "test", &file, "--org", "acme", "--runs", "last:1"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{text:?} {}", ended.stderr);
    }
}
