//! One identity, presented to each relying party in the form that it accepts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use jiff::SignedDuration;
use runmint::flows::rotate_keys::look_after_keys;
use serde_json::{Value, json};

use crate::harness::{Engine, Setup, TestApp, on_both_engines};

on_both_engines![
    profiles_are_replaced_as_a_whole_at_the_expected_version,
    an_audience_without_a_profile_gets_the_default_token,
    a_token_follows_the_profile_of_its_audience,
    a_runs_tokens_do_not_change_while_it_is_active,
    a_run_shown_for_an_audience_matches_its_tokens,
    refuses_a_template_that_could_produce_another_organizations_subject,
    an_organization_with_its_own_issuer_may_omit_its_name,
    refuses_a_token_that_its_audience_could_not_accept,
    a_lifetime_is_bounded_by_the_profile_and_the_configuration,
    a_migration_proceeds_by_project_and_is_reported,
    the_report_shows_a_team_only_its_own_runs,
    a_profile_may_choose_es256_for_its_audience,
    a_run_with_missing_profiles_gets_no_token,
    what_makes_no_sense_is_refused,
];

const PATH: &str = "/api/orgs/acme/audience-profiles";
const SHORT: &str = "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}";
const OWN: &str =
    "{prefix}:deploy:org:{org}:project:{project}:stack:{stack}:operation:{operation}:scope:{scope}";

async fn save(app: &TestApp, version: i64, profiles: Value) -> Value {
    app.put(&app.owner, PATH, &json!({"version": version, "profiles": profiles})).await.ok()
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

async fn claims(app: &TestApp, run: &Value, audience: &str) -> Value {
    part(&app.mint(run, &format!("&audience={audience}")).await, 1)
}

fn of_project(project: &str) -> Value {
    json!({"attributes": {"project": project, "stack": "staging", "operation": "update"}})
}

async fn profiles_are_replaced_as_a_whole_at_the_expected_version(app: TestApp) {
    let none = json!({"version": 0, "profiles": {}, "modified_at": null});
    assert_eq!(app.get(&app.viewer, PATH).await.ok(), none);
    let profiles = json!({
        "vault": {"lifetime_seconds": 300, "leave_out_claims": ["actor"]},
        "https://iam.googleapis.com/*": {"subject": {"deploy": SHORT}, "max_subject_bytes": 127},
    });
    let expected = json!({"version": 1, "profiles": profiles, "modified_at": "2026-01-02T03:04:05Z"});
    assert_eq!(save(&app, 0, profiles.clone()).await, expected);
    assert_eq!(app.get(&app.viewer, PATH).await.ok(), expected);
    let stale = json!({"version": 0, "profiles": {}});
    assert_snapshot!(app.put(&app.owner, PATH, &stale).await.shown(), @r#"
    409 Conflict
    content-type: application/problem+json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "type": "urn:runmint:problem:conflict",
      "title": "Conflict",
      "status": 409,
      "detail": "The audience profiles are no longer at version 0: read them again."
    }
    "#);
    assert_eq!(save(&app, 1, json!({})).await["version"], 2);
}

async fn an_audience_without_a_profile_gets_the_default_token(app: TestApp) {
    let before = app.start_run(&json!({})).await;
    save(&app, 0, json!({"vault": {"include_claims": [], "subject": {"deploy": SHORT}}})).await;
    let after = app.start_run(&json!({})).await;
    let told = async |run: &Value| {
        let mut claims = claims(&app, run, "sts.amazonaws.com").await;
        for different in ["jti", "run_id"] {
            assert!(claims.as_object_mut().unwrap().shift_remove(different).is_some());
        }
        claims.to_string()
    };
    // Identical even in the order of members.
    assert_eq!(told(&before).await, told(&after).await);
}

async fn a_token_follows_the_profile_of_its_audience(app: TestApp) {
    let profiles = json!({"sts.amazonaws.com": {
        "subject": {"deploy": SHORT},
        "include_claims": ["org_id"],
        "lifetime_seconds": 600,
        "aws_session_tags": {"tags": {"Project": "project", "Actor": "actor"}, "transitive": ["Project", "Actor"]},
        "source_identity": "actor_id",
    }});
    save(&app, 0, profiles).await;
    let attributes =
        json!({"project": "website", "stack": "staging", "operation": "update", "actor_id": "u-1"});
    let run = app.start_run(&json!({"attributes": attributes})).await;
    let claims = claims(&app, &run, "sts.amazonaws.com").await;
    let issued = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": app.issuer, "aud": "sts.amazonaws.com",
            "sub": "runmint:deploy:org:acme:run:website:staging:update",
            "iat": issued, "nbf": issued - 300, "exp": issued + 600, "jti": claims["jti"],
            "org_id": app.get(&app.viewer, "/api/orgs/acme").await.ok()["id"],
            "https://aws.amazon.com/tags":
                {"principal_tags": {"Project": ["website"]}, "transitive_tag_keys": ["Project"]},
            "https://aws.amazon.com/source_identity": "u-1",
        })
    );
    // The record matches the token.
    let jti = claims["jti"].as_str().unwrap();
    let column = async |name: &str| {
        app.database.text(&format!("SELECT {name} FROM id_tokens WHERE jti = '{jti}'")).await
    };
    assert_eq!(column("subject").await, claims["sub"]);
    assert_eq!(column("subject_format").await, SHORT);
}

async fn a_runs_tokens_do_not_change_while_it_is_active(app: TestApp) {
    let replica = app.replica().await;
    let before = app.start_run(&json!({})).await;
    save(&app, 0, json!({"vault": {"subject": {"deploy": SHORT}}})).await;
    let first = app.start_run(&json!({})).await;
    save(&app, 1, json!({"vault": {"leave_out_claims": ["project"]}})).await;
    let second = app.start_run(&json!({})).await;
    for service in [&app, &replica] {
        let own = &before["subject"];
        assert_eq!(claims(service, &before, "vault").await["sub"], *own);
        assert_eq!(claims(service, &before, "vault").await["project"], "website");
        let told = claims(service, &first, "vault").await;
        assert_eq!(
            (&told["sub"], &told["project"]),
            (&json!("runmint:deploy:org:acme:run:website:staging:update"), &json!("website"))
        );
        let told = claims(service, &second, "vault").await;
        assert_eq!((&told["sub"], told.get("project")), (own, None));
    }
}

async fn a_run_shown_for_an_audience_matches_its_tokens(app: TestApp) {
    let profiles = json!({
        "v*": {"subject": {"deploy": SHORT}, "leave_out_claims": ["run_id"]},
        "aws": {"aws_session_tags": {"tags": {"Stack": "stack"}}},
    });
    save(&app, 0, profiles).await;
    let run = app.start_run(&json!({"audiences": ["vault", "other", "aws"]})).await;
    let path = format!("/api/runs/{}", run["id"].as_str().unwrap());
    for audience in ["vault", "other", "aws"] {
        let shown = app.get(&app.viewer, &format!("{path}?audience={audience}")).await.ok();
        let mut told = claims(&app, &run, audience).await;
        for of_one_token in ["iat", "nbf", "exp", "jti"] {
            told.as_object_mut().unwrap().shift_remove(of_one_token);
        }
        assert_eq!(shown["claims"].to_string(), told.to_string());
        assert_eq!(shown["subject"], told["sub"]);
        let list = app.get(&app.viewer, &format!("/api/orgs/acme/runs?audience={audience}")).await.ok();
        assert_eq!(list["runs"], json!([shown]));
        let body = json!({"service": "deploy", "attributes": run["attributes"]});
        let path = format!("/api/orgs/acme/runs/preview?audience={audience}");
        let preview = app.post_ok(&app.viewer, &path, &body).await;
        told.as_object_mut().unwrap().shift_remove("run_id");
        assert_eq!(preview["claims"], told);
        assert_eq!(preview["subject_bytes"], told["sub"].as_str().unwrap().len());
    }
    assert_snapshot!(app.get(&app.viewer, &format!("{path}?audience=nobody")).await.shown(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "id": "019b7ca9-8c88-7160-869f-01d170de387e",
      "organization": "acme",
      "service": "deploy",
      "state": "active",
      "attributes": {
        "operation": "update",
        "project": "website",
        "stack": "staging"
      },
      "audiences": [
        "vault",
        "other",
        "aws"
      ],
      "cloud": {},
      "origin": null,
      "created_at": "2026-01-02T03:04:05Z",
      "expires_at": "2026-01-02T04:04:05Z",
      "ended_at": null,
      "subject": null,
      "claims": null,
      "refused": "this run may not ask for audience `nobody`; it may ask for: vault, other, aws"
    }
    "#);
    app.get(&app.viewer, &format!("{path}?audience=")).await.problem(400, "bad-request");
    app.get(&app.viewer, &format!("{path}?audiences=x")).await.problem(400, "bad-request");
}

async fn refuses_a_template_that_could_produce_another_organizations_subject(app: TestApp) {
    let omits = json!(["project", "stack", "operation", "scope"]);
    let mut details = Vec::new();
    for template in [
        "{prefix}:deploy:{project}:{stack}",
        "{prefix}:deploy:org:victim:project:{project}",
        "{prefix}:deploy:{project}:org:{org}",
        "{prefix}:environments:org:{org}:env:{project}",
        "runmint:deploy:org:{org}:x",
        "x",
    ] {
        let profiles =
            json!({"sts.amazonaws.com": {"subject": {"deploy": template}, "subject_omits": omits}});
        let body = json!({"version": 0, "profiles": profiles});
        let detail = app.put(&app.owner, PATH, &body).await.problem(422, "invalid-input");
        details.push(detail);
        // Nor as its own previous template.
        let previous = json!({"subject": {"deploy": template}, "for": "all"});
        let previous = json!({"sts.amazonaws.com": {"previous_subject": previous}});
        let body = json!({"version": 0, "profiles": previous});
        app.put(&app.owner, PATH, &body).await.problem(422, "invalid-input");
    }
    assert_snapshot!(details.join("\n"), @"
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    Profile of `sts.amazonaws.com`: subject of deploy: must begin with `{prefix}:deploy:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject.
    ");
}

async fn an_organization_with_its_own_issuer_may_omit_its_name(app: TestApp) {
    app.post_ok(&app.admin, "/api/orgs", &json!({"name": "hooli", "issuer": "own"})).await;
    let short = "{prefix}:deploy:run:{project}:{stack}:{operation}";
    let body = json!({"version": 0, "profiles": {"vault": {"subject": {"deploy": short}}}});
    app.put(&app.admin, "/api/orgs/hooli/audience-profiles", &body).await.ok();
    let run =
        json!({"service": "deploy", "attributes": {"project": "p", "stack": "s", "operation": "update"}});
    let run = app.post_ok(&app.admin, "/api/orgs/hooli/runs", &run).await;
    let told = claims(&app, &run, "vault").await;
    assert_eq!(told["sub"], "runmint:deploy:run:p:s:update");
    assert_eq!(told["iss"], format!("{}/orgs/hooli/oidc", app.base_url));
    let other = json!({"version": 1, "profiles": {"vault": {"subject": {"deploy": "{prefix}:environments:{project}:{stack}:{operation}"}}}});
    app.put(&app.admin, "/api/orgs/hooli/audience-profiles", &other).await.problem(422, "invalid-input");
}

async fn refuses_a_token_that_its_audience_could_not_accept(app: TestApp) {
    let profiles = json!({
        "google": {"subject": {"deploy": SHORT}, "max_subject_bytes": 64},
        "aws": {"aws_session_tags": {"tags": {"Project": "project"}}},
    });
    save(&app, 0, profiles).await;
    let mut details = Vec::new();
    for (project, audience) in [("p".repeat(60).as_str(), "google"), ("a*b", "aws")] {
        let mut body = of_project(project);
        body["service"] = "deploy".into();
        // The run may request any audience: which ones is not known yet.
        let run = app.post_ok(&app.orchestrator, "/api/orgs/acme/runs", &body).await;
        let detail = app.ask(&run, &format!("&audience={audience}")).await.problem(422, "invalid-input");
        app.ask(&run, "&audience=other").await.ok();
        let path = format!("/api/runs/{}?audience={audience}", run["id"].as_str().unwrap());
        let shown = app.get(&app.viewer, &path).await.ok();
        assert!(shown["subject"].is_null());
        body["audiences"] = json!(["other", audience]);
        let refused = app.post(&app.orchestrator, "/api/orgs/acme/runs", &body).await;
        let told = shown["refused"].as_str().unwrap().to_owned();
        details.extend([detail, told, refused.problem(422, "invalid-input")]);
    }
    assert_snapshot!(details.join("\n"), @"
    Audience `google`: the subject has 103 bytes, and this audience takes 64 at most: use shorter names, or another template in its profile.
    the subject has 103 bytes, and this audience takes 64 at most: use shorter names, or another template in its profile
    Audience `google`: the subject has 103 bytes, and this audience takes 64 at most: use shorter names, or another template in its profile.
    Audience `aws`: claim `project` is not valid as AWS session tag `Project`: use at most 256 letters, digits, spaces and `_.:/=+-@`.
    claim `project` is not valid as AWS session tag `Project`: use at most 256 letters, digits, spaces and `_.:/=+-@`
    Audience `aws`: claim `project` is not valid as AWS session tag `Project`: use at most 256 letters, digits, spaces and `_.:/=+-@`.
    ");
    let recorded = "SELECT COUNT(*) FROM id_tokens WHERE audience <> 'other'";
    assert_eq!(app.database.number(recorded).await, 0);
}

async fn a_lifetime_is_bounded_by_the_profile_and_the_configuration(app: TestApp) {
    save(&app, 0, json!({"vault": {"lifetime_seconds": 300}})).await;
    let run = app.start_run(&json!({})).await;
    let lives = async |query: &str| {
        let claims = part(&app.mint(&run, query).await, 1);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!(lives("&audience=vault").await, 300);
    assert_eq!(lives("&audience=vault&lifetime_seconds=60").await, 60);
    assert_eq!(lives("&audience=other").await, 3_600);
    let asked = app.ask(&run, "&audience=vault&lifetime_seconds=301").await;
    assert_snapshot!(asked.problem(422, "invalid-input"), @"lifetime_seconds must be 60 to 300, not 301.");
    let long = json!({"version": 1, "profiles": {"vault": {"lifetime_seconds": 3601}}});
    let detail = app.put(&app.owner, PATH, &long).await.problem(422, "invalid-input");
    assert_snapshot!(detail, @"Profile of `vault`: lifetime_seconds must be 60 to 3600.");
}

async fn a_migration_proceeds_by_project_and_is_reported(app: TestApp) {
    let usage = async |query: &str| {
        let path = format!("{PATH}/usage{query}");
        app.get(&app.viewer, &path).await.ok()["formats"].as_array().unwrap().clone()
    };
    assert!(usage("").await.is_empty());
    // Before any profile exists, and for an audience without one.
    let old = app.start_run(&json!({})).await;
    claims(&app, &old, "vault").await;
    claims(&app, &old, "other").await;
    app.clock.advance(SignedDuration::from_secs(60));
    let migration =
        |whom: Value| json!({"vault": {"subject": {"deploy": SHORT}, "previous_subject": {"for": whom}}});
    save(&app, 0, migration(json!(["website"]))).await;
    let website = app.start_run(&of_project("website")).await;
    app.clock.advance(SignedDuration::from_secs(1));
    let shop = app.start_run(&of_project("shop")).await;
    assert_eq!(claims(&app, &website, "vault").await["sub"], website["subject"]);
    for _ in 0..2 {
        let told = claims(&app, &shop, "vault").await;
        assert_eq!(told["sub"], "runmint:deploy:org:acme:run:shop:staging:update");
    }
    let now = "2026-01-02T03:05:06Z";
    let own = json!({
        "audience": "vault", "service": "deploy", "subject": OWN, "is_services_own": true,
        "tokens": 2, "runs": 2, "projects": ["website"], "last_minted_at": now, "last_run": website["id"],
    });
    let short = json!({
        "audience": "vault", "service": "deploy", "subject": SHORT, "is_services_own": false,
        "tokens": 2, "runs": 1, "projects": ["shop"], "last_minted_at": now, "last_run": shop["id"],
    });
    assert_eq!(usage("?audience=vault").await, [own, short.clone()]);
    assert_eq!(usage("").await.len(), 3);
    assert_eq!(usage("?audience=vault&runs=1").await, [short]);
    for bad in ["?runs=0", "?runs=5001", "?runs=x", "?audience=", "?audience=a&audience=b"] {
        app.get(&app.viewer, &format!("{PATH}/usage{bad}")).await.problem(400, "bad-request");
    }
    save(&app, 1, migration(json!("all"))).await;
    let shop = app.start_run(&of_project("shop")).await;
    assert_eq!(claims(&app, &shop, "vault").await["sub"], shop["subject"]);
}

async fn the_report_shows_a_team_only_its_own_runs(app: TestApp) {
    for project in ["website", "shop"] {
        claims(&app, &app.start_run(&of_project(project)).await, "vault").await;
    }
    let rights = json!([{"project": "shop", "stack": "*", "access": "read"}]);
    let team =
        app.post_ok(&app.owner, "/api/orgs/acme/teams", &json!({"name": "shop", "rights": rights})).await;
    let id = team["id"].as_str().unwrap();
    let bind = format!("UPDATE access_tokens SET principal_id = '{id}' WHERE role = 'orchestrator'");
    app.database.execute(&bind).await;
    let formats = app.get(&app.orchestrator, &format!("{PATH}/usage")).await.ok();
    assert_eq!(formats["formats"][0]["projects"], json!(["shop"]));
    let body = json!({"version": 0, "profiles": {}});
    app.put(&app.orchestrator, PATH, &body).await.problem(403, "forbidden");
}

async fn a_profile_may_choose_es256_for_its_audience(app: TestApp) {
    save(&app, 0, json!({"vault": {"algorithm": "ES256"}, "api://*": {"algorithm": "ES256"}})).await;
    let alg = async |run: &Value, audience: &str| {
        part(&app.mint(run, &format!("&audience={audience}")).await, 0)["alg"].clone()
    };
    // Verifiers do not know the new key yet, so the known key signs.
    assert_eq!(alg(&app.start_run(&json!({})).await, "vault").await, "RS256");
    look_after_keys(app.inner()).await.unwrap();
    let pass = async |rest: SignedDuration| {
        app.clock.advance(rest);
        for _ in 0..30 {
            app.clock.advance(SignedDuration::from_secs(15));
            look_after_keys(app.inner()).await.unwrap();
        }
    };
    pass(SignedDuration::from_hours(12)).await;
    // The next version no longer uses ES256, but the runs of the first still do.
    let long = app.start_run(&json!({"ttl_seconds": 86_400})).await;
    save(&app, 1, json!({})).await;
    pass(SignedDuration::from_hours(12)).await;
    assert_eq!(alg(&long, "vault").await, "ES256");
    assert_eq!(alg(&long, "other").await, "RS256");
    // Entra verifies only RS256, whatever a wildcard profile says.
    assert_eq!(alg(&long, "api://AzureADTokenExchange").await, "RS256");
    assert_eq!(alg(&app.start_run(&json!({})).await, "vault").await, "RS256");
}

/// The database was tampered with or partly restored: without its profiles a token could reveal too much.
async fn a_run_with_missing_profiles_gets_no_token(app: TestApp) {
    save(&app, 0, json!({"vault": {"include_claims": []}})).await;
    let run = app.start_run(&json!({})).await;
    app.database.execute("DELETE FROM audience_profiles").await;
    let other = app.replica().await;
    other.ask(&run, "&audience=vault").await.problem(500, "internal");
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 0);
}

async fn what_makes_no_sense_is_refused(app: TestApp) {
    let mut details = Vec::new();
    for profile in [
        json!({"leave_out_claims": ["sub"]}),
        json!({"leave_out_claims": ["acotr"]}),
        json!({"subject": {"deploy": "{prefix}:deploy:org:{org}:run:{project}:{operation}"}}),
        json!({"nonsense": 1}),
    ] {
        let body = json!({"version": 0, "profiles": {"vault": profile}});
        let detail = app.put(&app.owner, PATH, &body).await.problem(422, "invalid-input");
        details.push(detail);
    }
    assert_snapshot!(details.join("\n"), @"
    Profile of `vault`: claim `sub` is in every token and cannot be listed here.
    Profile of `vault`: no service has a claim `acotr`.
    Profile of `vault`: subject of deploy: leaves out {stack}: runs that differ only there would have the same subject. If that is intended, name it in subject_omits.
    The body does not have the expected form: unknown field `nonsense`, expected one of `subject`, `subject_omits`, `previous_subject`, `max_subject_bytes`, `include_claims`, `leave_out_claims`, `lifetime_seconds`, `algorithm`, `aws_session_tags`, `source_identity` at line 1 column 44.
    ");
    let twice = r#"{"version": 0, "profiles": {"vault": {}, "vault": {}}}"#;
    let url = format!("{}{PATH}", app.base_url);
    let request =
        app.http.put(url).bearer_auth(&app.owner).header("content-type", "application/json").body(twice);
    assert_eq!(request.send().await.unwrap().status(), 422);
}

#[tokio::test]
async fn a_run_does_not_start_if_the_profiles_no_longer_fit_its_service() {
    let own = |subject: &str| {
        format!("[services.batch]\nsubject = '{subject}'\nattributes = {{ queue = {{}}, region = {{}} }}")
    };
    let before = own("{prefix}:batch:org:{org}:queue:{queue}:region:{region}");
    let app = Setup::new(Engine::Sqlite).config(&before).run().await;
    let profiles = json!({"vault": {
        "subject": {"batch": "{prefix}:batch:org:{org}:run:{queue}"}, "subject_omits": ["region"],
    }});
    save(&app, 0, profiles).await;
    let settings = app.settings();
    let changed = own("{prefix}:jobs:org:{org}:queue:{queue}:region:{region}");
    let services = settings_services(&changed);
    let saved = app.get(&app.viewer, PATH).await.ok()["profiles"].clone();
    let definitions = serde_json::from_value(saved).unwrap();
    let profiles = runmint::issuer::profile::AudienceProfiles::compile(1, &definitions).unwrap();
    let setting = |services| runmint::issuer::profile::Setting {
        services,
        own_issuer: false,
        max_lifetime: settings.lifetime.max,
        rs256_only: &[],
    };
    profiles.check_service("batch", setting(&settings.services)).unwrap();
    let error = profiles.check_service("batch", setting(&services)).unwrap_err().to_string();
    assert_snapshot!(error, @"profile of `vault`: subject of batch: must begin with `{prefix}:jobs:org:{org}`, as this service's own subjects do: otherwise another organization or service could have the same subject");
    profiles.check_service("deploy", setting(&services)).unwrap();
}

fn settings_services(config: &str) -> runmint::issuer::service::Services {
    let file = format!("issuer = 'https://id.example/oidc'\ndatabase_url = 'sqlite:x'\n{config}");
    let sources = runmint::config::Sources {
        file: Some(("test".into(), file)),
        environment: Vec::new(),
        flags: Vec::new(),
    };
    runmint::config::Settings::load(&sources).unwrap().services
}
