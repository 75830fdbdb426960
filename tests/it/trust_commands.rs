//! Logging in, and owners' commands about trusted issuers, as operators and jobs use them: the real program
//! against the real service, and a second service as the issuer that it trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Ended, Engine, Setup, TestApp, run, run_as, shown_text};

/// The subjects of the foreign runs, as far as these policies depend on them.
const SUBJECTS: &str = "runmint:deploy:org:acme:project:website:*";

/// A service, an issuer that it can trust, and the home folder of a user who logs in.
struct Scene {
    app: TestApp,
    foreign: TestApp,
    home: TempDir,
}

impl Scene {
    /// The program reads the machine's clock, so the services do too.
    async fn set() -> Self {
        let now = SystemClock.now();
        let foreign = Setup::new(Engine::Sqlite).start(now).run().await;
        let app = Setup::new(Engine::Sqlite)
            .config("trust_plain_http = true\ntrust_allowed_ranges = '127.0.0.0/8'")
            .start(now)
            .run()
            .await;
        Self { app, foreign, home: tempfile::tempdir().unwrap() }
    }

    /// Registers the issuer as `elsewhere`, with policies that exchange its runs' tokens for the
    /// organization's.
    async fn trusting(policies: Value) -> Self {
        let scene = Self::set().await;
        let file = scene.file("policies.json", &policies.to_string());
        let url = scene.foreign.issuer.clone();
        scene.owner(&["issuer", "register", "elsewhere", "--url", &url, "--policies", &file]).await.ok();
        scene
    }

    /// Runs as the owner of acme, whose name is added to every command.
    async fn owner(&self, arguments: &[&str]) -> Ended {
        run_as(&self.app, &self.app.owner, &[arguments, &["--org", "acme"]].concat()).await
    }

    /// Runs as the user with this home folder, with more variables in the environment.
    async fn person(&self, more: &[(&str, &str)], arguments: &[&str], input: &str) -> Ended {
        let home = self.home.path().display().to_string();
        let environment = [&[("HOME", home.as_str())], more].concat();
        let owned = environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        run(owned.collect(), arguments, input).await
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A token of a foreign run.
    async fn token(&self) -> String {
        let run = self.foreign.start_run(&json!({})).await;
        self.foreign.mint(&run, "&audience=urn:runmint:org:acme").await
    }

    fn logins(&self) -> PathBuf {
        self.home.path().join(".config/runmint/credentials")
    }

    /// The stored access token, which must never be printed.
    fn kept(&self) -> String {
        let files = fs::read_dir(self.logins()).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        assert_eq!(files.len(), 1, "one server, one file: {files:?}");
        let kept: Value = serde_json::from_str(&fs::read_to_string(&files[0]).unwrap()).unwrap();
        kept["access_token"].as_str().unwrap().to_owned()
    }
}

fn allow(more: Value) -> Value {
    let mut policy = json!({"decision": "allow", "tokenType": "organization", "rules": {"sub": SUBJECTS}});
    for (name, value) in more.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_a_file_becomes_a_login_that_other_commands_use() {
    let scene = Scene::trusting(json!([allow(json!({}))])).await;
    let base = scene.app.base_url.clone();
    let login = async |url: &str| {
        let token = format!("file://{}", scene.file("token", &(scene.token().await + "\n")));
        let arguments =
            ["login", url, "--oidc-token", &token, "--oidc-org", "acme", "--oidc-expiration", "1h"];
        let done = scene.person(&[], &arguments, "").await;
        assert!(!(done.stdout.clone() + &done.stderr).contains(&scene.kept()), "{}", done.stdout);
        done.ok()
    };
    assert!(login(&base).await.contains(&format!("Logged in to {base}.")));
    let first = scene.kept();
    // Spelled differently, it is still the same server.
    login(&format!("{}//", base.replacen("http", "HTTP", 1))).await;
    assert_ne!(scene.kept(), first);
    assert_eq!(mode(&scene.logins()), 0o700);
    for entry in fs::read_dir(scene.logins()).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }

    let user = scene.person(&[], &["whoami", "--output", "json"], "").await.json();
    assert_eq!((&user["server"], &user["credential"]), (&json!(base), &json!("runmint login")));
    assert_eq!(user["origin"]["issuer"], scene.foreign.issuer);
    let shown = scene.person(&[("RUNMINT_URL", &format!("{base}/"))], &["whoami"], "").await.ok();
    assert_snapshot!(shown_text(&shown), @"
    server        http://127.0.0.1:8080
    credential    runmint login
    token         organization, exchanged by elsewhere (UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID)
    organization  acme
    role          orchestrator
    expires       YYYY-MM-DDTHH:MM:SSZ (in …)
    issuer        http://127.0.0.1:8080/oidc
    subject       runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write
    jti           UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID
    ");
    assert!(!shown.contains("rmat_"), "{shown}");
    let left = user["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() - SystemClock.now();
    assert!((3_500..=3_600).contains(&left.get_seconds()), "{left}");
    let start = ["run", "start", "--org", "acme", "project=p", "stack=s", "operation=update"];
    assert_snapshot!(shown_text(&scene.person(&[], &start, "").await.ok()), @"
    export ACTIONS_ID_TOKEN_REQUEST_URL='http://127.0.0.1:8080/api/runs/UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID/id-token?api-version=1'
    export ACTIONS_ID_TOKEN_REQUEST_TOKEN='rmrt_Kas5s2NxKEFSMKecKKeUqNBA3xtGws4H2Kx5QU6TOU202hU6l'
    export RUNMINT_ID_TOKEN_REQUEST_URL='http://127.0.0.1:8080/api/runs/UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID/id-token?api-version=1'
    export RUNMINT_ID_TOKEN_REQUEST_TOKEN='rmrt_Kas5s2NxKEFSMKecKKeUqNBA3xtGws4H2Kx5QU6TOU202hU6l'
    export RUNMINT_RUN_ID='UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID'
    export RUNMINT_URL='http://127.0.0.1:8080'
    ");
    // A variable is another identity and requires the server's URL beside it.
    let owner = [("RUNMINT_URL", base.as_str()), ("RUNMINT_ACCESS_TOKEN", scene.app.owner.as_str())];
    let user = scene.person(&owner, &["whoami", "--output", "json"], "").await.json();
    assert_eq!((&user["role"], &user["credential"]), (&json!("owner"), &json!("RUNMINT_ACCESS_TOKEN")));
    scene.person(&owner[1..], &["whoami"], "").await.fails(2, "RUNMINT_URL is not set");

    let out = scene.person(&[], &["logout", &format!("{base}/")], "").await.ok();
    assert_snapshot!(shown_text(&out), @"Logged out of http://127.0.0.1:8080.");
    assert_eq!(fs::read_dir(scene.logins()).unwrap().count(), 0);
    scene.person(&[], &["whoami"], "").await.fails(2, "no login is saved");
    assert_snapshot!(shown_text(&scene.person(&[], &["logout", &base], "").await.ok()), @"No login was saved for http://127.0.0.1:8080.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_a_login_that_would_be_unused_or_unsafe() {
    let scene = Scene::trusting(json!([allow(json!({}))])).await;
    let base = scene.app.base_url.clone();
    let path = scene.file("token", &scene.token().await);
    let token = format!("file://{path}");
    let login = ["login", &base, "--oidc-token", &token, "--oidc-org", "acme"];
    for name in ["RUNMINT_ACCESS_TOKEN", "RUNMINT_ACCESS_TOKEN_FILE"] {
        scene.person(&[(name, "/tmp/rmat")], &login, "").await.fails(2, &format!("{name} is set"));
    }
    scene.person(&[], &["login", "http://id.example.com"], "rmat_x").await.fails(2, "use https");
    scene.person(&[], &login[..4], "").await.fails(2, "--oidc-org is missing");
    scene.person(&[], &["login", &base, "--oidc-org", "acme"], "").await.fails(2, "--oidc-token");
    scene
        .person(&[], &["login", &base, "--oidc-auto", "--oidc-org", "acme"], "")
        .await
        .fails(2, "no platform");
    scene
        .person(&[], &["login", &base, "--oidc-token", "file:///nowhere", "--oidc-org", "acme"], "")
        .await
        .fails(2, "/nowhere");
    scene.person(&[], &["login", &base], "").await.fails(2, "the token is empty");
    scene.person(&[], &["login", &base], "rmat_nobody").await.fails(1, "Credential needed");
    let nowhere = run(Vec::new(), &["login", &base], &scene.app.viewer).await;
    nowhere.fails(2, "HOME");
    assert!(!scene.logins().exists(), "nothing that failed is kept");

    // The token names its own audience, and is not sent if the flags name another.
    let text = fs::read_to_string(&path).unwrap();
    let other = ["login", &base, "--oidc-token", "-", "--oidc-org", "globex"];
    scene.person(&[], &other, &text).await.fails(2, "another organization");
    let refused = scene.person(&[], &[&login[..], &["--oidc-team", "web"]].concat(), "").await;
    assert!(!refused.stderr.contains(&text), "{}", refused.stderr);
    refused.fails(1, "(no_policy_matched)");
    scene.person(&[], &["login", &base, "--oidc-token", "-"], &text).await.ok();
    let again = ["login", &base, "--oidc-token", "-", "--oidc-expiration", "10m"];
    scene.person(&[], &again, &text).await.fails(1, "(token_reused)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_is_read_from_standard_input_and_its_expiry_respected() {
    let scene = Scene::set().await;
    let base = scene.app.base_url.clone();
    let done = scene.person(&[], &["login", &base], &format!("{}\n", scene.app.viewer)).await;
    assert!(!(done.stdout.clone() + &done.stderr).contains(&scene.app.viewer), "{}", done.stdout);
    assert_snapshot!(shown_text(&done.ok()), @"
    Logged in to http://127.0.0.1:8080.
    as       acme
    expires  never
    ");
    assert_snapshot!(shown_text(&scene.person(&[], &["org", "list"], "").await.ok()), @"
    NAME  ID                                    CREATED
    acme  UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID  YYYY-MM-DDTHH:MM:SSZ
    ");
    let file = fs::read_dir(scene.logins()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some()).unwrap();
    let over = json!({"url": base, "access_token": scene.app.viewer, "expires_at": "2026-01-01T00:00:00Z"});
    fs::write(&file, over.to_string()).unwrap();
    scene.person(&[], &["org", "list"], "").await.fails(1, "log in again: runmint login");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = scene.person(&[], &["org", "list"], "").await;
    assert!(!refused.stderr.contains(&scene.app.viewer), "{}", refused.stderr);
    refused.fails(2, "chmod 600");
    // In the folder that RUNMINT_HOME names.
    let other = scene.home.path().join("other").display().to_string();
    let home = [("RUNMINT_HOME", other.as_str())];
    scene.person(&home, &["org", "list"], "").await.fails(2, "no login is saved");
    scene.person(&home, &["login", &base], &scene.app.viewer).await.ok();
    assert_eq!(mode(&scene.home.path().join("other/credentials")), 0o700);
    scene.person(&home, &["org", "list"], "").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_github_actions_job_obtains_its_token_automatically() {
    let team = json!({"tokenType": "team", "teamName": "web"});
    let scene = Scene::trusting(json!([allow(json!({})), allow(team)])).await;
    scene.owner(&["team", "create", "web", "--right", "website/staging:write"]).await.ok();
    let base = scene.app.base_url.clone();
    // A run of the foreign service speaks the protocol of GitHub's jobs.
    let job = scene.foreign.start_run(&json!({})).await;
    let [url, request_token] = ["request_url", "request_token"].map(|name| job[name].as_str().unwrap());
    let github = [("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", request_token)];
    let login = ["login", &base, "--oidc-auto", "--oidc-org", "acme", "--oidc-team", "web"];
    let done = scene.person(&github, &login, "").await;
    assert_snapshot!(shown_text(&done.stderr), @"Found the token of GitHub Actions.");
    for secret in [request_token, scene.kept().as_str()] {
        assert!(!(done.stdout.clone() + &done.stderr).contains(secret), "{}", done.stdout);
    }
    done.ok();
    let shown = scene.person(&[], &["whoami"], "").await.ok();
    assert_snapshot!(shown_text(&shown), @"
    server        http://127.0.0.1:8080
    credential    runmint login
    token         team web, exchanged by elsewhere (UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID)
    organization  acme
    team          web
    role          orchestrator
    right         website/staging:write
    expires       YYYY-MM-DDTHH:MM:SSZ (in …)
    issuer        http://127.0.0.1:8080/oidc
    subject       runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write
    jti           UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID
    ");
    // As in GitLab: the token is in a variable.
    let token = scene.token().await;
    let auto = ["login", &base, "--oidc-auto", "--oidc-org", "acme"];
    let done = scene.person(&[("GITLAB_OIDC_TOKEN", &token)], &auto, "").await;
    assert!(done.stderr.contains("GitLab") && !done.stderr.contains(&token), "{}", done.stderr);
    done.ok();
    let plain = [("ACTIONS_ID_TOKEN_REQUEST_URL", "http://id.example.com/x"), github[1]];
    let refused = scene.person(&plain, &auto, "").await;
    assert!(!refused.stderr.contains(request_token), "{}", refused.stderr);
    refused.fails(2, "could not get the token of GitHub Actions: could not send a token to id.example.com");
    scene.person(&[("GITHUB_ACTIONS", "true")], &auto, "").await.fails(2, "id-token: write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_azure_devops_step_requests_its_service_connections_token() {
    let scene = Scene::trusting(json!([allow(json!({}))])).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oidctoken", listener.local_addr().unwrap());
    let answer = json!({"oidcToken": scene.token().await}).to_string();
    let azure = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let read = connection.read(&mut request).await.unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
        connection.write_all((head + &answer).as_bytes()).await.unwrap();
        String::from_utf8(request[..read].to_vec()).unwrap()
    });
    let step = [
        ("SYSTEM_OIDCREQUESTURI", url.as_str()),
        ("SYSTEM_ACCESSTOKEN", "access"),
        ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "a b"),
    ];
    let login = ["login", &scene.app.base_url, "--oidc-auto", "--oidc-org", "acme"];
    let done = scene.person(&step, &login, "").await;
    assert_snapshot!(shown_text(&done.stderr), @"Found the token of Azure DevOps.");
    done.ok();
    let request = azure.await.unwrap().to_lowercase();
    assert!(request.starts_with("post /oidctoken?api-version=7.1&serviceconnectionid=a+b "), "{request}");
    assert!(request.contains("authorization: bearer access\r\n"), "{request}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuers_are_registered_shown_changed_and_deleted() {
    let scene = Scene::set().await;
    let url = scene.foreign.issuer.clone();
    assert_snapshot!(shown_text(&scene.owner(&["issuer", "list"]).await.ok()), @"No trusted issuers.");
    let registered =
        scene.owner(&["issuer", "register", "elsewhere", "--url", &url, "--max-expiration", "2h"]).await;
    assert_snapshot!(shown_text(&registered.stderr), @"

    Next:  runmint policy set UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID --org acme --file FILE
    ");
    registered.ok();
    let listed = scene.owner(&["issuer", "list"]).await.ok();
    assert_snapshot!(shown_text(&listed), @"
    NAME       ID                                    CREATED               LAST USED  URL
    elsewhere  UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID  YYYY-MM-DDTHH:MM:SSZ  -          http://127.0.0.1:8080/oidc
    ");
    let shown = scene.owner(&["issuer", "show", "elsewhere", "--output", "json"]).await.json();
    assert_eq!((&shown["url"], &shown["maxExpiration"]), (&json!(url), &json!(7_200)));
    for other in [shown["id"].as_str().unwrap(), &url] {
        assert!(scene.owner(&["issuer", "show", other]).await.ok().contains("2 h"));
    }
    scene.owner(&["issuer", "register", "again", "--url", &url]).await.fails(1, "already");
    scene.owner(&["issuer", "delete", "elsewhere"]).await.ok();
    let unknown =
        json!([allow(json!({"tokenType": "run", "run": {"service": "nothing", "attributes": {}}}))]);
    let unknown = scene.file("unknown.json", &unknown.to_string());
    let register = ["issuer", "register", "elsewhere", "--url", &url, "--max-expiration", "2h"];
    let refused = scene.owner(&[&register[..], &["--policies", &unknown]].concat()).await;
    assert_snapshot!(shown_text(&refused.stderr), @"runmint: the issuer is registered, but its policies were not saved (runmint policy set UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID --org acme --file FILE): Invalid input: Policies[0]: run: service `nothing` does not exist.");
    refused.fails(1, "the issuer is registered, but its policies were not saved");
    scene.owner(&["issuer", "show", "rmat_secret"]).await.fails(1, "no trusted issuer has this name");
    // Plain http has no certificates.
    let regenerated = scene.owner(&["issuer", "regenerate-thumbprints", "elsewhere"]).await;
    assert_eq!(regenerated.code, 1, "{}", regenerated.stdout);
    let jwks = scene.foreign.get("", "/oidc/.well-known/jwks").await.text;
    let jwks = scene.file("jwks.json", &jwks);
    let changed =
        ["issuer", "update", "elsewhere", "--name", "offline", "--jwks-file", &jwks, "--output", "json"];
    let changed = scene.owner(&changed).await.json();
    assert_eq!((&changed["name"], &changed["maxExpiration"]), (&json!("offline"), &json!(7_200)));
    scene.owner(&["issuer", "regenerate-thumbprints", "offline"]).await.fails(1, "never fetched");
    let no_owner = ["issuer", "list", "--org", "acme"];
    run_as(&scene.app, &scene.app.viewer, &no_owner).await.fails(1, "Not allowed");
    assert_snapshot!(shown_text(&scene.owner(&["issuer", "delete", "offline"]).await.ok()), @"offline is no longer trusted; access tokens exchanged for its tokens are revoked.");
    scene.owner(&["issuer", "show", "offline"]).await.fails(1, "no trusted issuer has this name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preset_shows_its_policies_before_saving_them() {
    let scene = Scene::set().await;
    let presets = run(Vec::new(), &["issuer", "register", "--list-presets"], "").await.ok();
    assert_snapshot!(shown_text(&presets), @"
    github: GitHub Actions
      repo         OWNER/NAME as on GitHub, with the same capitals
      repo_id      the repository's number, which outlives its name: gh api repos/OWNER/NAME --jq .id
      branch       the only branch that gets tokens
      environment  the only environment that gets tokens

    gitlab: GitLab
      project      GROUP/PROJECT, with all parent groups
      project_id   the project's number, which outlives its name; shown on the project's page under its name
      branch       the only branch that gets tokens
      environment  the only environment that gets tokens

    kubernetes: Kubernetes
      --url            kubectl get --raw /.well-known/openid-configuration | jq -r .issuer
      namespace        namespace of the service account
      service_account  name of the service account that runners run as

    eks: Amazon EKS
      --url            aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer --output text
      namespace        namespace of the service account
      service_account  name of the service account that runners run as

    gke: Google GKE
      --url            kubectl get --raw /.well-known/openid-configuration | jq -r .issuer
      namespace        namespace of the service account
      service_account  name of the service account that runners run as
      project          Google Cloud project of the cluster
      location         zone or region of the cluster
      cluster          name of the cluster

    aks: Azure AKS
      --url            az aks show --resource-group GROUP --name CLUSTER --query oidcIssuerProfile.issuerUrl --output tsv
      namespace        namespace of the service account
      service_account  name of the service account that runners run as

    azure-devops: Azure DevOps
      --url                the issuer that the service connection shows; or give the organization's id
      organization_id      the Azure DevOps organization's UUID
      subject              the subject identifier that the service connection shows
      devops_organization  the Azure DevOps organization's name
      project              the project's name
      service_connection   the service connection's name, for tokens of its tasks
      pipeline             the pipeline's name, for tokens of the job itself

    circleci: CircleCI
      organization_id  the organization's UUID, under Organization Settings
      project_id       the project's UUID, under Project Settings
      repository       the repository, as github.com/OWNER/NAME; without it builds of forks may get tokens, too
      branch           the only branch that gets tokens

    buildkite: Buildkite
      buildkite_organization  the Buildkite organization's slug
      pipeline                the pipeline's slug
      organization_id         the organization's UUID; request tokens with --claim organization_id
      pipeline_id             the pipeline's UUID; request tokens with --claim pipeline_id
      branch                  the only branch that gets tokens
    ");
    let github = ["issuer", "register", "--preset", "github", "--repo", "acme/website", "--dry-run"];
    let planned = scene.owner(&github).await.ok();
    assert_snapshot!(shown_text(&planned), @"
    Tokens of GitHub Actions (https://token.actions.githubusercontent.com):
    policies[0]  allow  organization
      aud         urn:runmint:org:acme
      repository  acme/website
    policies[1]  deny  organization
      event_name  pull_request*

    warn    policies[0] repository: the name can be given up and taken by another owner: add a rule for `repository_id`, which never changes hands (mutable-name)
    ");
    let listed =
        run(Vec::new(), &["issuer", "register", "--list-presets", "--output", "json"], "").await.json();
    assert!(listed["presets"].as_array().is_some_and(|all| all.len() > 5), "{listed}");
    scene.owner(&github[..4]).await.fails(2, "needs repo");
    scene
        .owner(&["issuer", "register", "--preset", "hudson"])
        .await
        .fails(2, "preset `hudson` does not exist");
    let url = scene.foreign.issuer.clone();
    let kubernetes = [
        "issuer",
        "register",
        "cluster",
        "--preset",
        "kubernetes",
        "--url",
        &url,
        "--team",
        "web",
        "--set",
        "namespace=ci",
        "--set",
        "service_account=runner",
    ];
    let registered = scene.owner(&kubernetes).await;
    assert_snapshot!(shown_text(&registered.stderr), @"
    Tokens of cluster (http://127.0.0.1:8080/oidc):
    policies[0]  allow  team web
      aud  urn:runmint:org:acme
      sub  system:serviceaccount:ci:runner
    ");
    registered.ok();
    let saved = scene.owner(&["policy", "show", "cluster"]).await.ok();
    assert_snapshot!(shown_text(&saved), @"
    version   2
    modified  YYYY-MM-DDTHH:MM:SSZ (… ago)

    policies[0]  allow  team web
      aud  urn:runmint:org:acme
      sub  system:serviceaccount:ci:runner
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_can_be_tested_before_they_take_effect() {
    let scene = Scene::trusting(json!([allow(json!({}))])).await;
    let token = scene.file("token", &scene.token().await);
    let test = async |more: &[&str]| {
        let start = ["policy", "test", "elsewhere", "--token-file", &token];
        scene.owner(&[&start[..], more].concat()).await
    };
    let allowed = test(&[]).await.ok();
    assert!(allowed.starts_with("allowed by policies[0]\n") && allowed.contains(SUBJECTS), "{allowed}");
    test(&["--as", "admin"]).await.fails(1, "no policy allows the token");
    let why = test(&["--as", "team:web"]).await.stdout;
    assert_snapshot!(shown_text(&why), @"
    not allowed: no policy matches

    policies[0]  allow  does not apply: it is for tokens of type `organization`; the request is for `team`
      matches  sub  expected `runmint:deploy:org:acme:project:website:*`, found `runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write`
    ");
    let draft = allow(json!({"rules": {"sub": "runmint:deploy:org:acme:project:billing:*"}}));
    let draft = scene.file("draft.json", &json!({"policies": [draft]}).to_string());
    let refused = test(&["--draft", &draft]).await;
    assert!(
        refused
            .stdout
            .contains("differs  sub  expected `runmint:deploy:org:acme:project:billing:*`, found `")
    );
    refused.fails(1, "no policy allows the token");
    let claims = json!({"iss": scene.foreign.issuer, "aud": "urn:pulumi:org:acme", "sub": "x"});
    let claims = scene.file("claims.json", &claims.to_string());
    let by_claims = ["policy", "test", "elsewhere", "--claims-file", &claims, "--output", "json"];
    assert!(scene.owner(&by_claims).await.stdout.contains(r#""outcome":"no_match""#));
    test(&["--as", "root"]).await.fails(2, "team:T");
    test(&["--attribute", "a=b"]).await.fails(2, "--as run");
    test(&["--as", "run", "--attribute", "operation=update"]).await.fails(1, "no policy allows the token");

    // The draft decides the past exchange again.
    let login =
        ["login", &scene.app.base_url, "--oidc-token", &format!("file://{token}"), "--oidc-org", "acme"];
    scene.person(&[], &login, "").await.ok();
    let exchanges = scene.owner(&["policy", "exchanges", "elsewhere"]).await.ok();
    assert_snapshot!(shown_text(&exchanges), @"
    AT                    OUTCOME  ASKED         CALLER     SUBJECT
    YYYY-MM-DDTHH:MM:SSZ  allowed  organization  127.0.0.1  runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write
    ");
    let replayed =
        scene.owner(&["policy", "replay", "elsewhere", "--draft", &draft, "--last", "5"]).await.ok();
    assert_snapshot!(shown_text(&replayed), @"
    AT                    BEFORE   AFTER     ASKED         SUBJECT
    YYYY-MM-DDTHH:MM:SSZ  allowed  no_match  organization  runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write

    Of the last 1 exchanges 1 would change.
    ");
    let set = scene.owner(&["policy", "set", "elsewhere", "--file", &draft]).await.ok();
    assert_snapshot!(shown_text(&set), @"
    version   3
    modified  YYYY-MM-DDTHH:MM:SSZ (… ago)

    policies[0]  allow  organization
      sub  runmint:deploy:org:acme:project:billing:*
    ");
    let shown = scene.owner(&["policy", "show", "elsewhere", "--output", "json"]).await.json();
    assert_eq!(shown["version"], 3, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_and_the_server_report_risky_policies() {
    let scene = Scene::trusting(json!([allow(json!({}))])).await;
    let github = "https://token.actions.githubusercontent.com";
    let risky = json!([allow(json!({"rules": {"sub": "repo:*"}}))]);
    let file = scene.file("risky.json", &risky.to_string());
    let linted = run(Vec::new(), &["policy", "lint", "--file", &file, "--url", github], "").await;
    assert_snapshot!(shown_text(&linted.stdout), @"
    refuse  policies[0] sub: every repository owner on GitHub gets tokens of this issuer, and no rule names yours: give one of `repository_id`, `repository_owner_id`, `repository`, `repository_owner`, `enterprise_id`, `enterprise`, `workflow_ref` a rule without wildcards (any-tenant)
    warn    policies[0] sub: the name can be given up and taken by another owner: add a rule for `repository_id`, which never changes hands (mutable-name)
    ");
    linted.fails(1, "strangers could get tokens");
    assert_snapshot!(shown_text(&scene.owner(&["policy", "lint", "elsewhere"]).await.ok()), @"No risks found.");
    let anybody = scene.file("anybody.json", &json!([allow(json!({"rules": {"sub": "*"}}))]).to_string());
    run(Vec::new(), &["policy", "lint", "--file", &anybody], "").await.fails(1, "every subject");
    scene.owner(&["policy", "set", "elsewhere", "--file", &anybody]).await.fails(1, "every subject");
    let nonsense = scene.file("nonsense.json", r#"[{"decision": "maybe"}]"#);
    scene.owner(&["policy", "set", "elsewhere", "--file", &nonsense]).await.fails(2, "maybe");
    run(Vec::new(), &["policy", "lint"], "").await.fails(2, "required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_manage_teams_and_users_with_rights() {
    let scene = Scene::set().await;
    for (kind, name, plural) in [("team", "web", "teams"), ("user", "ada@example.com", "users")] {
        let created = scene.owner(&[kind, "create", name, "--right", "website/*:write"]).await;
        assert!(created.stderr.contains("runmint policy set"), "{}", created.stderr);
        assert!(created.ok().contains("website/*:write"));
        scene.owner(&[kind, "create", name]).await.fails(1, "already");
        let listed = scene.owner(&[kind, "list", "--output", "json"]).await.json();
        assert_eq!(listed[plural][0]["name"], name);
        scene.owner(&[kind, "update", name]).await.fails(2, "--no-rights");
        let rights = ["--right", "website/prod:read", "--right", "docs/*:read"];
        let changed = scene.owner(&[&[kind, "update", name], &rights[..]].concat()).await.ok();
        assert!(changed.contains("website/prod:read") && !changed.contains("website/*:write"), "{changed}");
        assert!(scene.owner(&[kind, "list"]).await.ok().contains("website/prod:read docs/*:read"));
        scene.owner(&[kind, "update", name, "--no-rights"]).await.ok();
        assert!(scene.owner(&[kind, "show", name]).await.ok().contains("none"));
        assert!(scene.owner(&[kind, "delete", name]).await.ok().contains("is deleted"));
        scene.owner(&[kind, "show", name]).await.fails(1, "There is no");
        scene.owner(&[kind, "show", "../../globex"]).await.fails(2, "not a valid name");
    }
}
