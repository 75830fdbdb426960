//! Four platforms with the claims of their real tokens, from registering them to a token of ours that
//! third-party libraries accept. Every step is a command, as operators and jobs type it.

use std::fs;
use std::path::Path;

use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::foreign_issuer::{ForeignIssuer, ForeignKey, Reply};
use crate::harness::{Ended, Engine, Setup, TestApp, on_both_engines, run, run_as};
use crate::verifiers::start_all;

const AUDIENCE: &str = "urn:runmint:org:acme";

on_both_engines![
    Scene:
    a_job_of_github_actions_gets_a_token_for_its_run,
    a_job_of_gitlab_gets_a_token_for_its_run,
    a_pod_of_kubernetes_gets_a_token_for_its_run,
    a_step_of_azure_devops_gets_a_token_for_its_run,
    the_published_client_of_pulumi_cloud_registers_issuers_and_policies,
];

/// A service, a platform, and the machine that runs one of its jobs.
struct Scene {
    app: TestApp,
    platform: ForeignIssuer,
    key: ForeignKey,
    job: TempDir,
}

/// How a job of the platform obtains its token, and its arguments to `runmint login`.
struct Job<'j> {
    environment: Vec<(&'j str, String)>,
    login: Vec<&'j str>,
}

impl Scene {
    /// The program reads the machine's clock, so the service and the platform do too.
    async fn set(engine: Engine) -> Self {
        let app = Setup::new(engine)
            .config("trust_plain_http = true\ntrust_allowed_ranges = '127.0.0.0/8'")
            .start(SystemClock.now())
            .run()
            .await;
        let key = ForeignKey::rs256("platform", 0);
        let platform = ForeignIssuer::start(&[&key]).await;
        Self { app, platform, key, job: tempfile::tempdir().unwrap() }
    }

    /// Registers the platform by a preset whose URL is that of a self-hosted platform.
    async fn register(&self, preset: &str, values: &[&str]) {
        let mut arguments = vec!["issuer", "register", "platform", "--org", "acme", "--preset", preset];
        arguments.extend(["--url", &self.platform.url]);
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        run_as(&self.app, &self.app.owner, &arguments).await.ok();
    }

    /// A token with these claims added to those that every platform has.
    fn token(&self, claims: &Value) -> String {
        let now = SystemClock.now().as_second();
        let mut all = json!({"iss": self.platform.url, "iat": now, "nbf": now - 5, "exp": now + 600});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.key.token(&all)
    }

    /// A command of the job, in its own home, with only the platform's variables.
    async fn command(&self, environment: &[(&str, String)], arguments: &[&str]) -> Ended {
        let home = self.job.path().display().to_string();
        let mut all = vec![("HOME".to_owned(), home)];
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        run(all, arguments, "").await
    }

    async fn login(&self, job: &Job<'_>) -> Ended {
        let login = ["login", &self.app.base_url, "--oidc-org", "acme"];
        self.command(&job.environment, &[&login[..], &job.login].concat()).await
    }

    /// Logs in, runs whoami, starts a run and gets its token, which three libraries verify.
    async fn works_to_the_end(&self, job: Job<'_>, subject: &str) {
        self.login(&job).await.ok();
        let user = self.command(&[], &["whoami", "--output", "json"]).await.json();
        assert_eq!(user["origin"]["issuer"], self.platform.url);
        assert_eq!(user["origin"]["subject"], subject);
        let start = ["run", "start", "--org", "acme", "project=website", "stack=prod", "operation=update"];
        let started = self.command(&[], &[&start[..], &["--output", "json"]].concat()).await.json();
        let environment = started["environment"].as_object().unwrap().iter();
        let environment: Vec<_> =
            environment.map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned())).collect();
        let id_token =
            self.command(&environment, &["id-token", "--audience", "sts.amazonaws.com"]).await.ok();
        let issuer = self.app.issuer.clone();
        let verifiers = tokio::task::spawn_blocking(move || start_all(&issuer, "sts.amazonaws.com", 1));
        for verifier in verifiers.await.unwrap() {
            let verdict = verifier.verify(&id_token).await;
            assert_eq!(verdict, Ok(()), "{}", verifier.name);
            let spoiled = spoiled(&id_token);
            assert!(verifier.verify(&spoiled).await.is_err(), "{} believes everything", verifier.name);
        }
        let claims = claims_of(&id_token);
        assert_eq!(
            claims["sub"],
            "runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write"
        );
        assert_eq!((&claims["actor"], &claims["act"]["iss"]), (&json!(subject), &json!(self.platform.url)));
        self.command(&[], &["logout", &self.app.base_url]).await.ok();
    }

    /// The same job with other claims is refused for `reason`, and no policy is revealed.
    async fn is_refused(&self, job: Job<'_>, reason: &str) {
        let refused = self.login(&job).await;
        assert!(!refused.stderr.contains("website"), "{}", refused.stderr);
        refused.fails(1, &format!("({reason})"));
    }
}

fn with(claims: &Value, changes: Value) -> Value {
    let mut all = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

/// The same token with one character of its signature changed.
fn spoiled(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{input}.{other}{}", &signature[1..])
}

fn claims_of(token: &str) -> Value {
    let token = runmint::trust::token::UnverifiedToken::parse(token).unwrap();
    json!(token.unverified_claims())
}

async fn a_job_of_github_actions_gets_a_token_for_its_run(scene: Scene) {
    // GitHub Docs, "OpenID Connect reference", the example of a token.
    let claims = json!({
        "jti": "6f4762ed-0758-4ccb-808d-ee3af5d723a8",
        "sub": "repo:acme/website:ref:refs/heads/main",
        "aud": AUDIENCE,
        "ref": "refs/heads/main",
        "sha": "d5f2a1c0b7e84d9f9f1c3a5b7e0d2c4f6a8b0c1d",
        "repository": "acme/website",
        "repository_owner": "acme",
        "actor_id": "12",
        "repository_visibility": "private",
        "repository_id": "74",
        "repository_owner_id": "65",
        "run_id": "8126540000",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "actor": "octocat",
        "workflow": "deploy",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_type": "branch",
        "ref_protected": "true",
        "job_workflow_ref": "acme/website/.github/workflows/deploy.yml@refs/heads/main",
    });
    scene.register("github", &["repo=acme/website", "repo_id=74", "branch=main"]).await;
    let job = |claims: &Value| {
        // The protocol of `getIDToken`: the audience is appended, the token is in `value`.
        let path = format!("/token?api-version=2.0&audience={}", AUDIENCE.replace(':', "%3A"));
        scene.platform.answer(&path, Reply::json(&json!({"count": 1, "value": scene.token(claims)})));
        let url = format!("{}/token?api-version=2.0", scene.platform.url);
        let environment = vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job".to_owned()),
        ];
        Job { environment, login: vec!["--oidc-auto"] }
    };
    scene.works_to_the_end(job(&claims), "repo:acme/website:ref:refs/heads/main").await;
    for other in [
        json!({"repository": "mallory/website", "sub": "repo:mallory/website:ref:refs/heads/main"}),
        json!({"repository_id": "75"}),
        json!({"ref": "refs/heads/main-2", "sub": "repo:acme/website:ref:refs/heads/main-2"}),
    ] {
        scene.is_refused(job(&with(&claims, other)), "no_policy_matched").await;
    }
    // Code written by a stranger; the second event runs with the base branch's ref.
    for event in ["pull_request", "pull_request_target"] {
        let strange = with(&claims, json!({"event_name": event}));
        scene.is_refused(job(&strange), "denied_by_policy").await;
    }
    let elsewhere = with(&claims, json!({"aud": "https://github.com/acme"}));
    scene.is_refused(job(&elsewhere), "audience_mismatch").await;
}

async fn a_job_of_gitlab_gets_a_token_for_its_run(scene: Scene) {
    // GitLab Docs, "ID token authentication", the example of a payload.
    let claims = json!({
        "namespace_id": "72",
        "namespace_path": "acme",
        "project_id": "20",
        "project_path": "acme/website",
        "user_id": "1",
        "user_login": "sample-user",
        "user_email": "sample-user@example.com",
        "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "groups_direct": ["acme/platform"],
        "environment": "production",
        "environment_protected": "true",
        "deployment_tier": "production",
        "deployment_action": "start",
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.example.com/acme/website//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "sub": "project_path:acme/website:ref_type:branch:ref:main",
        "aud": AUDIENCE,
    });
    scene.register("gitlab", &["project=acme/website", "project_id=20", "environment=production"]).await;
    let job = |claims: &Value| Job {
        environment: vec![("GITLAB_CI", "true".to_owned()), ("GITLAB_OIDC_TOKEN", scene.token(claims))],
        login: vec!["--oidc-auto"],
    };
    scene.works_to_the_end(job(&claims), "project_path:acme/website:ref_type:branch:ref:main").await;
    for other in [
        json!({"project_path": "acme/website-2", "project_id": "21"}),
        json!({"project_id": "21"}),
        json!({"ref_protected": "false", "ref": "feature"}),
        json!({"environment": "review/feature"}),
    ] {
        scene.is_refused(job(&with(&claims, other)), "no_policy_matched").await;
    }
    let elsewhere = with(&claims, json!({"aud": "https://vault.example.com"}));
    scene.is_refused(job(&elsewhere), "audience_mismatch").await;
}

async fn a_pod_of_kubernetes_gets_a_token_for_its_run(scene: Scene) {
    // Kubernetes documentation, "Managing Service Accounts", "Schema for service account private claims".
    let claims = json!({
        "aud": [AUDIENCE],
        "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
        "kubernetes.io": {
            "namespace": "ci",
            "node": {"name": "127.0.0.1", "uid": "58456cb0-dd00-45ed-b797-5578fdceaced"},
            "pod": {"name": "runner-69cbfb9798-jv9gn", "uid": "778a530c-b3f4-47c0-9cd5-ab018fb64f33"},
            "serviceaccount": {"name": "runner", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"},
            "warnafter": 1_700_081_700,
        },
        "sub": "system:serviceaccount:ci:runner",
    });
    scene.register("kubernetes", &["namespace=ci", "service_account=runner"]).await;
    let path = scene.job.path().join("token");
    let file = format!("file://{}", path.display());
    let job = |claims: &Value| {
        // As the kubelet projects it.
        fs::write(&path, scene.token(claims)).unwrap();
        Job { environment: Vec::new(), login: vec!["--oidc-token", &file] }
    };
    scene.works_to_the_end(job(&claims), "system:serviceaccount:ci:runner").await;
    for other in [
        "system:serviceaccount:ci:default",
        "system:serviceaccount:ci-2:runner",
        "system:serviceaccount:ci:runner2",
    ] {
        scene.is_refused(job(&with(&claims, json!({"sub": other}))), "no_policy_matched").await;
    }
    // Every pod's default token is for the cluster.
    let usual = with(&claims, json!({"aud": ["https://kubernetes.default.svc.cluster.local"]}));
    scene.is_refused(job(&usual), "audience_mismatch").await;
}

async fn a_step_of_azure_devops_gets_a_token_for_its_run(scene: Scene) {
    // Azure DevOps documentation, "Connect to Azure with workload identity": the token of a service connection.
    let claims = json!({
        "jti": "0c9d7a6e-4c1b-4f0f-8b1e-5d1a3f6b2c11",
        "sub": "sc://acme/website/runmint",
        "aud": "api://AzureADTokenExchange",
        "org_id": "6c3d1f0e-7a52-4b7e-9b0f-2d1c5a8e4f30",
        "prj_id": "3f1b7c52-9f0d-4b0e-a9ef-6b8f1f0a3b21",
        "def_id": "42",
        "rpo_id": "9d0c3a51-1f2e-4a6c-8c4f-1d2e3f405162",
        "rpo_uri": "https://dev.azure.com/acme/website/_git/website",
        "rpo_ver": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "rpo_ref": "refs/heads/main",
        "run_id": "1107",
    });
    let values = ["devops_organization=acme", "project=website", "service_connection=runmint"];
    scene.register("azure-devops", &values).await;
    let connection = "5f2b1e0c-0d3a-4a58-8f6e-7c1d2b3a4e5f";
    let job = |claims: &Value| {
        let path = format!("/oidctoken?api-version=7.1&serviceConnectionId={connection}");
        scene.platform.answer(&path, Reply::json(&json!({"oidcToken": scene.token(claims)})));
        let environment = vec![
            ("TF_BUILD", "True".to_owned()),
            ("SYSTEM_OIDCREQUESTURI", format!("{}/oidctoken", scene.platform.url)),
            ("SYSTEM_ACCESSTOKEN", "step".to_owned()),
            ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", connection.to_owned()),
        ];
        Job { environment, login: vec!["--oidc-auto"] }
    };
    scene.works_to_the_end(job(&claims), "sc://acme/website/runmint").await;
    for other in ["sc://acme/website/other", "sc://acme/billing/runmint", "p://acme/website/runmint"] {
        scene.is_refused(job(&with(&claims, json!({"sub": other}))), "no_policy_matched").await;
    }
}

/// Unmodified, from PyPI: `pulumi-cloud-sdk`.
async fn the_published_client_of_pulumi_cloud_registers_issuers_and_policies(scene: Scene) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interpreter = root.join("target/clients/venv/bin/python");
    assert!(interpreter.exists(), "the test clients are not installed: run scripts/install-clients");
    let token = scene.token(&json!({
        "jti": "1",
        "aud": "urn:pulumi:org:acme",
        "sub": "runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write",
    }));
    let token_file = scene.job.path().join("token");
    fs::write(&token_file, token).unwrap();
    let mut command = std::process::Command::new(interpreter);
    command
        .arg(root.join("tests/clients/python/pulumi_cloud.py"))
        .args([&scene.app.base_url, &scene.platform.url])
        .env("RUNMINT_ACCESS_TOKEN", &scene.app.owner)
        .stdin(fs::File::open(&token_file).unwrap());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success() && said[0].trim() == "ok", "{}{}", said[0], said[1]);
}
