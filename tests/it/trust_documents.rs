//! Trust documents: written by the real program from a real server's data, and tested against its runs.

use std::path::Path;

use insta::assert_snapshot;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Ended, Engine, Setup, TestApp, run, shown_text};

/// An https server, as clouds require, with a run that updates acme's website and a run of another project.
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

    /// The result of testing a document against the runs of acme.
    async fn review(&self, document: &str, more: &[&str]) -> (i32, Value) {
        let file = self.file(document);
        let arguments =
            [&["trust", "test", &file, "--org", "acme", "--runs", "last:500", "--output", "json"], more]
                .concat();
        let ended = self.run(&arguments).await;
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr)))
    }
}

/// The facts besides the runs that each relying party's document needs.
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
async fn each_trust_document_accepts_only_its_own_run() {
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

        // Without a server the result is the same.
        let offline = [arguments.as_slice(), &["--issuer", &scene.app.issuer]].concat();
        assert_eq!(run(Vec::new(), &offline, "").await.ok(), document, "{kind}");
    }
}

#[tokio::test]
async fn a_document_without_a_stack_is_reported_as_matching_any_other_stack() {
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
async fn trusting_every_project_requires_confirmation() {
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
    scene.run(&with(&["--any-project", "--confirm", "globex"])).await.fails(2, "confirm with --confirm acme");
    scene.run(&with(&["--project", "*"])).await.fails(2, "omit the flag");
    let document = scene.run(&with(&["--any-project", "--confirm", "acme"])).await.ok();
    let (_, review) = scene.review(&document, &[]).await;
    let also = review["also"].to_string();
    assert!(also.contains("any stack of any project") && !also.contains("organization"), "{also}");
}

#[tokio::test]
async fn a_policy_that_admits_strangers_is_a_problem() {
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

    // A run that was never started, and its expected result.
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
async fn documents_are_written_in_the_requested_language() {
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
            form(&target, "terraform").await.fails(2, "not available for Kubernetes");
        } else {
            assert!(form(&target, "terraform").await.ok().contains(terraform), "{kind}");
        }
        if kind == "aws" {
            let template: Value = serde_json::from_str(&form(&target, "cloudformation").await.ok()).unwrap();
            assert_eq!(template["Resources"]["Role"]["Type"], "AWS::IAM::Role");
        } else {
            form(&target, "cloudformation").await.fails(2, "is not available for");
        }
    }
}

#[tokio::test]
async fn refuses_a_placeholder_or_a_missing_name() {
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
async fn an_unrecognised_file_is_refused_with_the_accepted_kinds() {
    let scene = Scene::set().await;
    for text in ["", "hello", "{}", "{\"Statement\": [{}]}", "a: [", "\u{0}"] {
        let file = scene.file(text);
        let ended = scene.run(&["trust", "test", &file, "--org", "acme", "--runs", "last:1"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{text:?} {}", ended.stderr);
    }
}

impl Scene {
    /// With these profiles in force, a map of audience to profile.
    async fn with_profiles(profiles: Value) -> Self {
        let scene = Self::set().await;
        let body = json!({"version": 0, "profiles": profiles});
        scene.app.put(&scene.app.owner, "/api/orgs/acme/audience-profiles", &body).await.ok();
        // A run keeps the profiles that were in force at its start.
        scene.app.start_run(&json!({})).await;
        scene
    }

    async fn trust(&self, target: &[&str], more: &[&str]) -> Ended {
        self.run(&[&["trust"], target, &WEBSITE, more, &["--format", "json"]].concat()).await
    }
}

/// The built-in profile for a relying party.
async fn preset(name: &str) -> Value {
    run(Vec::new(), &["audience-profile", "preset", name], "").await.json()["profiles"].clone()
}

fn subjects(credentials: &str) -> Vec<String> {
    let credentials: Value = serde_json::from_str(credentials).unwrap();
    let subjects = credentials.as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap());
    subjects.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_azure_preset_gives_a_credential_for_each_scope() {
    let scene = Scene::with_profiles(preset("azure").await).await;
    let scope = |scope: &str| format!("runmint:deploy:org:acme:project:website:stack:staging:scope:{scope}");
    let stack = ["--stack", "staging"];
    let both = scene.trust(&["azure"], &stack).await;
    assert!(!both.stderr.contains("leaves the operation out"), "{}", both.stderr);
    assert_eq!(subjects(&both.ok()), [scope("read"), scope("write")]);
    let preview = scene.trust(&["azure"], &[&stack[..], &["--operation", "preview"]].concat()).await;
    assert_eq!(subjects(&preview.ok()), [scope("read")]);
    let update = scene.trust(&["azure"], &[&stack[..], &["--operation", "update"]].concat()).await;
    assert_snapshot!(shown_text(&update.stderr), @"
    Warning: the issuer https://127.0.0.1:8080/oidc is on this machine only, so Azure cannot use it. Use the document for trials only. For Azure, set `issuer` on the server to an https URL without a port that is reachable from the internet.
    Warning: the audience profile `api://AzureADTokenExchange` leaves the operation out of subjects, so this document also trusts refresh and destroy.
    ");
    let document = update.ok();
    assert_eq!(subjects(&document), [scope("write")]);
    let (_, review) = scene.review(&document, &[]).await;
    let accepted: usize =
        review["runs"].as_array().unwrap().iter().filter(|run| run["accepts"] == "yes").count();
    assert_eq!(accepted, 1, "{review:#}");
}

#[tokio::test]
async fn both_subject_formats_are_trusted_during_a_migration() {
    const OLD: &str = "runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write";
    const NEW: &str = "runmint:deploy:org:acme:run:website:staging:update";
    let profile = |whom: Value| {
        let template = "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}";
        json!({"subject": {"deploy": template}, "previous_subject": {"for": whom}})
    };
    let exact = ["--stack", "staging", "--operation", "update"];
    for whom in [json!("all"), json!(["website"])] {
        let profiles = json!({"*": profile(whom.clone())});
        let scene = Scene::with_profiles(profiles).await;
        for (kind, target) in targets() {
            let ended = scene.trust(&target, &exact).await;
            assert!(ended.stderr.contains("subjects of both formats"), "{kind} {}", ended.stderr);
            let document = ended.ok();
            assert!(document.contains(OLD) && document.contains(NEW), "{kind} {whom} {document}");
        }
    }
}

#[tokio::test]
async fn google_is_not_told_to_read_an_omitted_claim() {
    let google = ["gcp", "--project-number", "12", "--pool", "runmint", "--provider", "acme"];
    let key = "https://iam.googleapis.com/*";
    let scene = Scene::with_profiles(json!({key: {"include_claims": []}})).await;
    scene
        .trust(&google, &[])
        .await
        .fails(2, "the audience profile `https://iam.googleapis.com/*` leaves out run_id");
    let exact = ["--stack", "staging", "--operation", "update"];
    let document: Value = serde_json::from_str(&scene.trust(&google, &exact).await.ok()).unwrap();
    let mapping = json!({"google.subject": "assertion.sub", "attribute.sub": "assertion.sub"});
    assert_eq!(document["attributeMapping"], mapping);
    let scene = Scene::with_profiles(preset("google").await).await;
    let document: Value = serde_json::from_str(&scene.trust(&google, &[]).await.ok()).unwrap();
    assert_eq!(
        document["attributeMapping"]["google.subject"], "assertion.sub",
        "the profile says that it fits"
    );
}

#[tokio::test]
async fn an_issuer_that_no_cloud_can_reach_is_reported() {
    let exact = ["--stack", "staging", "--operation", "update", "--format", "json"];
    for (issuer, why) in [
        ("https://id.example.com:8443/oidc", Some("has a port")),
        ("https://127.0.0.1/oidc", Some("is on this machine only")),
        ("https://id.example.com/oidc", None),
    ] {
        for (kind, target) in targets() {
            let arguments = [&["trust"], target.as_slice(), &WEBSITE, &exact, &["--issuer", issuer]].concat();
            let ended = run(Vec::new(), &arguments, "").await;
            let cloud = matches!(kind, "aws" | "azure" | "google");
            match why.filter(|_| cloud) {
                Some(why) => assert!(ended.stderr.contains(why), "{kind} {issuer} {}", ended.stderr),
                None => assert_eq!(ended.stderr, "", "{kind} {issuer}"),
            }
            ended.ok();
        }
    }
}

#[tokio::test]
async fn documents_for_other_programs_are_named_but_not_tested() {
    let scene = Scene::set().await;
    let (_, aws) = targets().remove(0);
    for (form, name) in
        [("terraform", "Terraform"), ("cli", "a shell script"), ("cloudformation", "CloudFormation")]
    {
        let document =
            scene.run(&[&["trust"], aws.as_slice(), &WEBSITE, &["--format", form]].concat()).await.ok();
        let file = scene.file(&document);
        let ended = scene.run(&["trust", "test", &file, "--org", "acme", "--runs", "last:1"]).await;
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
        ended.fails(2, "write it with --format json");
    }
}
