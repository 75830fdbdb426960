//! Exchanging tokens of foreign issuers for our tokens, where policies allow it.

use insta::assert_snapshot;
use runmint::clock::Clock;
use runmint::trust::token::UnverifiedToken;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::harness::{Answer, Engine, Setup, TestApp, on_both_engines, verify};

on_both_engines![
    Scene:
    a_token_of_another_runmint_becomes_an_access_token_and_starts_a_run,
    every_refusal_has_its_reason,
    a_token_is_good_for_one_exchange_and_its_retry,
    a_team_may_do_only_what_its_rights_cover,
    a_platform_token_starts_a_run_and_gets_its_id_token_at_once,
    an_exchanged_runs_tokens_follow_the_audience_profile,
    removing_an_issuer_removes_its_policies_and_access_tokens,
    tokens_made_with_an_exchanged_token_do_not_outlive_it,
    old_exchanges_are_forgotten,
    drafts_are_explained_and_replayed,
];

const ORG_TOKEN: &str = "urn:runmint:token-type:access_token:organization";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A service whose organization `acme` trusts another service, whose runs supply the foreign tokens.
struct Scene {
    app: TestApp,
    foreign: TestApp,
    issuer: Value,
}

impl Scene {
    async fn set(engine: Engine) -> Self {
        let foreign = Setup::new(Engine::Sqlite).run().await;
        let app = Setup::new(engine)
            .config("trust_plain_http = true\ntrust_allowed_ranges = '127.0.0.0/8'")
            .run()
            .await;
        let body = json!({"name": "elsewhere", "url": foreign.issuer});
        let issuer = app.post(&app.owner, "/api/orgs/acme/oidc/issuers", &body).await;
        assert_eq!(issuer.status, 201, "{}", issuer.text);
        Self { issuer: issuer.json(), app, foreign }
    }

    async fn policies(&self, policies: Value) -> Answer {
        let path =
            format!("/api/orgs/acme/auth/policies/oidcissuers/{}", self.issuer["id"].as_str().unwrap());
        let current = self.app.get(&self.app.owner, &path).await.ok();
        let path = format!("/api/orgs/acme/auth/policies/{}", current["id"].as_str().unwrap());
        self.app.patch(&self.app.owner, &path, &json!({"policies": policies})).await
    }

    /// A token of a foreign run.
    async fn token(&self) -> String {
        let run = self.foreign.start_run(&json!({})).await;
        self.foreign.mint(&run, "&audience=urn:runmint:org:acme").await
    }

    async fn exchange(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", "urn:runmint:org:acme"),
            ("subject_token_type", ID_TOKEN),
            ("requested_token_type", ORG_TOKEN),
            ("subject_token", token),
        ];
        for (name, value) in more {
            form.retain(|(other, _)| other != name);
            form.push((name, value));
        }
        let url = format!("{}/api/oauth/token", self.app.base_url);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.app.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        Answer::read(request.body(body).send().await.unwrap()).await
    }

    async fn refused(&self, token: &str, more: &[(&str, &str)]) -> String {
        let answer = self.exchange(token, more).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let body = answer.json();
        assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        body["reason"].as_str().unwrap().to_owned()
    }
}

fn allow(more: Value) -> Value {
    let mut policy = json!({
        "decision": "allow",
        "tokenType": "organization",
        "rules": {"sub": "runmint:deploy:org:acme:project:website:*"},
    });
    for (name, value) in more.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

async fn a_token_of_another_runmint_becomes_an_access_token_and_starts_a_run(scene: Scene) {
    let app = &scene.app;
    scene.policies(json!([allow(json!({}))])).await.ok();
    let token = scene.token().await;
    let exchanged = scene.exchange(&token, &[]).await.ok();
    assert_eq!(exchanged["token_type"], "token");
    assert_eq!(exchanged["issued_token_type"], ORG_TOKEN);
    assert_eq!((&exchanged["expires_in"], &exchanged["scope"]), (&json!(7_200), &json!("")));
    let access_token = exchanged["access_token"].as_str().unwrap();
    let user = app.get(access_token, "/api/user").await.ok();
    assert_eq!(user["organizations"][0]["githubLogin"], "acme");
    let subject = user["origin"]["subject"].as_str().unwrap().to_owned();
    assert!(subject.starts_with("runmint:deploy:org:acme:project:website:"), "{subject}");
    // The tokens of a run started with it name the original actor.
    let body =
        json!({"service": "deploy", "attributes": {"project": "p", "stack": "s", "operation": "update"}});
    let run = app.post(access_token, "/api/orgs/acme/runs", &body).await.ok();
    let id_token = app.mint(&run, "").await;
    let set = serde_json::from_value(app.get("", "/oidc/.well-known/jwks").await.ok()).unwrap();
    let claims = verify(&id_token, &set, &app.issuer, app.clock.now()).unwrap();
    assert_eq!(claims["act"]["iss"], scene.foreign.issuer);
    assert_eq!((&claims["act"]["sub"], &claims["actor"]), (&json!(subject), &json!(subject)));
    assert_eq!(claims["act"]["jti"], user["origin"]["jti"]);
    // It is not an owner's token.
    app.get(access_token, "/api/orgs/acme/access-tokens").await.problem(403, "forbidden");
    app.clock.advance(jiff::SignedDuration::from_secs(7_201));
    app.get(access_token, "/api/user").await.problem(401, "unauthorized");
}

async fn every_refusal_has_its_reason(scene: Scene) {
    let token = scene.token().await;
    assert_eq!(scene.refused(&token, &[]).await, "no_policy_matched");
    scene
        .policies(json!([allow(json!({})), allow(json!({"decision": "deny", "rules": {"stack": "prod"}}))]))
        .await
        .ok();
    assert_eq!(scene.refused(&token, &[("scope", "admin")]).await, "no_policy_matched");
    assert_eq!(scene.refused(&token, &[("audience", "urn:runmint:org:nobody")]).await, "issuer_unknown");
    assert_eq!(scene.refused(&token, &[("audience", "acme")]).await, "audience");
    assert_eq!(scene.refused(&token, &[("grant_type", "password")]).await, "unsupported_grant_type");
    assert_eq!(scene.refused(&token, &[("subject_token_type", "jwt")]).await, "form");
    assert_eq!(scene.refused(&token, &[("surprise", "1")]).await, "form");
    assert_eq!(scene.refused(&token, &[("expiration", "soon")]).await, "form");
    assert_eq!(scene.refused(&token, &[("scope", "root")]).await, "scope");
    assert_eq!(scene.refused("x.y.z", &[]).await, "malformed");
    let run = scene.foreign.start_run(&json!({})).await;
    let for_others = scene.foreign.mint(&run, "&audience=sts.amazonaws.com").await;
    assert_eq!(scene.refused(&for_others, &[]).await, "audience_mismatch");
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    assert_eq!(scene.refused(&forged, &[]).await, "signature");
    // Our own issuer is not registered here; and deny wins in any order.
    let run = scene.app.start_run(&json!({})).await;
    let ours = scene.app.mint(&run, "&audience=urn:runmint:org:acme").await;
    assert_eq!(scene.refused(&ours, &[]).await, "issuer_unknown");
    let prod = json!({"attributes": {"project": "website", "stack": "prod", "operation": "update"}});
    let run = scene.foreign.start_run(&prod).await;
    let denied = scene.foreign.mint(&run, "&audience=urn:runmint:org:acme").await;
    assert_eq!(scene.refused(&denied, &[]).await, "denied_by_policy");
    scene.app.clock.advance(jiff::SignedDuration::from_hours(2));
    assert_eq!(scene.refused(&token, &[]).await, "expired");
}

async fn a_token_is_good_for_one_exchange_and_its_retry(scene: Scene) {
    scene.policies(json!([allow(json!({"authorizedPermissions": ["admin"]}))])).await.ok();
    let token = scene.token().await;
    let first = scene.exchange(&token, &[]).await.ok();
    let replica = scene.app.replica().await;
    let elsewhere =
        Scene { app: replica, foreign: TestApp::start(Engine::Sqlite).await, issuer: Value::Null };
    // The same request gets the same answer, from every process.
    assert_eq!(scene.exchange(&token, &[]).await.ok()["access_token"], first["access_token"]);
    assert_eq!(elsewhere.exchange(&token, &[]).await.ok()["access_token"], first["access_token"]);
    for other in [("scope", "admin"), ("expiration", "600")] {
        assert_eq!(scene.refused(&token, &[other]).await, "token_reused");
    }
    scene.app.clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(scene.refused(&token, &[]).await, "token_reused");
    // A hundred requests at once give one token.
    let token = scene.token().await;
    let asked = (0..20).map(|_| scene.exchange(&token, &[]));
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.ok()["access_token"].clone());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(
        scene.app.database.number("SELECT COUNT(*) FROM access_tokens WHERE origin IS NOT NULL").await,
        2
    );
}

async fn a_team_may_do_only_what_its_rights_cover(scene: Scene) {
    let app = &scene.app;
    let team = json!({"name": "web", "rights": [
        {"project": "website", "stack": "staging", "access": "write"},
        {"project": "website", "stack": "*", "access": "read"},
    ]});
    app.post(&app.owner, "/api/orgs/acme/teams", &team).await.ok();
    scene.policies(json!([allow(json!({"tokenType": "team", "teamName": "web"}))])).await.ok();
    let asked = [("requested_token_type", "urn:pulumi:token-type:access_token:team"), ("scope", "team:web")];
    assert_eq!(
        scene.refused(&scene.token().await, &[asked[0], ("scope", "team:others")]).await,
        "no_policy_matched"
    );
    let exchanged = scene.exchange(&scene.token().await, &asked).await.ok();
    assert_eq!(
        (&exchanged["scope"], &exchanged["issued_token_type"]),
        (&json!("team:web"), &json!(asked[0].1))
    );
    let token = exchanged["access_token"].as_str().unwrap();
    assert_eq!(app.get(token, "/api/user").await.ok()["tokenInfo"]["team"], "web");
    let start = async |stack: &str| {
        let attributes = json!({"project": "website", "stack": stack, "operation": "update"});
        app.post(token, "/api/orgs/acme/runs", &json!({"service": "deploy", "attributes": attributes})).await
    };
    let staging = start("staging").await.ok();
    start("prod").await.problem(403, "forbidden");
    let others = json!({"attributes": {"project": "billing", "stack": "prod", "operation": "update"}});
    let billing = app.start_run(&others).await["id"].as_str().unwrap().to_owned();
    let prod = json!({"attributes": {"project": "website", "stack": "prod", "operation": "update"}});
    let prod = app.start_run(&prod).await["id"].as_str().unwrap().to_owned();
    app.get(token, &format!("/api/runs/{billing}")).await.problem(404, "not-found");
    app.get(token, &format!("/api/runs/{prod}")).await.ok();
    app.post(token, &format!("/api/runs/{prod}/finish"), &Value::Null).await.problem(403, "forbidden");
    let seen = app.get(token, "/api/orgs/acme/runs").await.ok();
    assert_eq!(seen["runs"].as_array().unwrap().len(), 2, "staging and prod: {seen}");
    // Reduced rights apply to the next request; without the team its token stops working.
    app.patch(&app.owner, "/api/orgs/acme/teams/web", &json!({"rights": []})).await.ok();
    let path = format!("/api/runs/{}", staging["id"].as_str().unwrap());
    app.get(token, &path).await.problem(404, "not-found");
    assert_eq!(app.delete(&app.owner, "/api/orgs/acme/teams/web").await.status, 204);
    app.get(token, "/api/user").await.problem(401, "unauthorized");
    assert_eq!(scene.refused(&scene.token().await, &asked).await, "no_such_principal");
}

async fn a_platform_token_starts_a_run_and_gets_its_id_token_at_once(scene: Scene) {
    let app = &scene.app;
    let grant = |project: Value| {
        let run = json!({
            "service": "deploy",
            "attributes": {
                "project": project,
                "stack": {"claim": "stack"},
                "operation": {"value": "preview"},
                "deployment": {"choose": "any"},
            },
            "audiences": ["sts.amazonaws.com"],
        });
        json!([allow(json!({"tokenType": "run", "run": run}))])
    };
    let detail = scene.policies(grant(json!({"choose": "any"}))).await.problem(422, "invalid-input");
    assert_snapshot!(detail, @"Policies[0]: run: attribute `project` is part of the subject, which the caller must not choose: take it from a `claim`, or give its `value`.");
    scene.policies(grant(json!({"claim": "project"}))).await.ok();
    let asked = [
        ("requested_token_type", ID_TOKEN),
        ("id_token_audience", "sts.amazonaws.com"),
        ("attributes", r#"{"deployment": "42"}"#),
    ];
    let token = scene.token().await;
    let first = scene.exchange(&token, &asked).await.ok();
    assert_eq!((&first["token_type"], &first["issued_token_type"]), (&json!("N_A"), &json!(ID_TOKEN)));
    assert_eq!(
        first["run"]["subject"],
        "runmint:deploy:org:acme:project:website:stack:staging:operation:preview:scope:read"
    );
    let claims =
        UnverifiedToken::parse(first["access_token"].as_str().unwrap()).unwrap().unverified_claims().clone();
    assert_eq!((&claims["aud"], &claims["deployment"]), (&json!("sts.amazonaws.com"), &json!("42")));
    assert_eq!(claims["act"]["iss"], scene.foreign.issuer);
    // The repeated request gets the same run, which requests its further tokens itself.
    let again = scene.exchange(&token, &asked).await.ok();
    assert_eq!(again["run"]["id"], first["run"]["id"]);
    assert_eq!(again["run"]["request_token"], first["run"]["request_token"]);
    app.mint(&first["run"], "&audience=sts.amazonaws.com").await;
    // A client's usual two hours exceed an ID token's limit, which is not a reason to refuse.
    let usual = [asked.as_slice(), &[("expiration", "7200")]].concat();
    assert_eq!(scene.exchange(&scene.token().await, &usual).await.ok()["expires_in"], 3_600);
    for other in [
        ("attributes", r#"{"project": "billing"}"#),
        ("attributes", r#"{"operation": "update"}"#),
        ("id_token_audience", "api://AzureADTokenExchange"),
        ("service", "environment"),
    ] {
        let mut asked = asked.to_vec();
        asked.retain(|(name, _)| *name != other.0);
        asked.push(other);
        assert_eq!(scene.refused(&scene.token().await, &asked).await, "no_policy_matched", "{other:?}");
    }
}

async fn an_exchanged_runs_tokens_follow_the_audience_profile(scene: Scene) {
    let app = &scene.app;
    let profile = json!({
        "subject": {"deploy": "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}"},
        "leave_out_claims": ["act", "actor"],
        "lifetime_seconds": 300,
        "source_identity": "actor",
    });
    let save = async |version: i64, profile: &Value| {
        let body = json!({"version": version, "profiles": {"sts.amazonaws.com": profile}});
        app.put(&app.owner, "/api/orgs/acme/audience-profiles", &body).await.ok()
    };
    save(0, &profile).await;
    let attributes = json!({"project": {"claim": "project"}, "stack": {"claim": "stack"}, "operation": {"value": "preview"}});
    let run = json!({"service": "deploy", "attributes": attributes, "audiences": ["sts.amazonaws.com"]});
    scene.policies(json!([allow(json!({"tokenType": "run", "run": run}))])).await.ok();
    let asked = [("requested_token_type", ID_TOKEN), ("id_token_audience", "sts.amazonaws.com")];
    // The actor's subject has colons, which AWS does not accept. The refusal does not use up the token.
    let token = scene.token().await;
    assert_eq!(scene.refused(&token, &asked).await, "run");
    let mut profile = profile;
    profile.as_object_mut().unwrap().remove("source_identity");
    save(1, &profile).await;
    let usual = [asked.as_slice(), &[("expiration", "7200")]].concat();
    let exchanged = scene.exchange(&token, &usual).await.ok();
    assert_eq!(exchanged["expires_in"], 300);
    let id_token = exchanged["access_token"].as_str().unwrap();
    let claims = UnverifiedToken::parse(id_token).unwrap().unverified_claims().clone();
    assert_eq!(claims["sub"], "runmint:deploy:org:acme:run:website:staging:preview");
    assert!(claims.get("act").is_none() && claims.get("actor").is_none(), "{claims:?}");
}

async fn removing_an_issuer_removes_its_policies_and_access_tokens(scene: Scene) {
    let app = &scene.app;
    scene.policies(json!([allow(json!({}))])).await.ok();
    let exchanged = scene.exchange(&scene.token().await, &[]).await.ok();
    let token = exchanged["access_token"].as_str().unwrap();
    app.get(token, "/api/user").await.ok();
    let path = format!("/api/orgs/acme/oidc/issuers/{}", scene.issuer["id"].as_str().unwrap());
    assert!(app.get(&app.owner, &path).await.ok()["lastUsed"].is_string());
    assert_eq!(app.delete(&app.owner, &path).await.status, 204);
    app.get(token, "/api/user").await.problem(401, "unauthorized");
    assert_eq!(scene.refused(&scene.token().await, &[]).await, "issuer_unknown");
    app.get(&app.owner, &path).await.problem(404, "not-found");
}

async fn tokens_made_with_an_exchanged_token_do_not_outlive_it(scene: Scene) {
    let app = &scene.app;
    scene.policies(json!([allow(json!({"authorizedPermissions": ["admin"]}))])).await.ok();
    let exchanged =
        scene.exchange(&scene.token().await, &[("scope", "admin"), ("expiration", "600")]).await.ok();
    let token = exchanged["access_token"].as_str().unwrap();
    let body = json!({"name": "for ever", "role": "owner"});
    let made = app.post(token, "/api/orgs/acme/access-tokens", &body).await.ok();
    let origin = app.get(token, "/api/user").await.ok()["origin"].clone();
    let left_behind = made["access_token"].as_str().unwrap();
    assert_eq!(app.get(left_behind, "/api/user").await.ok()["origin"], origin);
    assert_eq!(made["expires_at"], app.get(token, "/api/user").await.ok()["expires_at"]);
    let path = format!("/api/orgs/acme/oidc/issuers/{}", scene.issuer["id"].as_str().unwrap());
    assert_eq!(app.delete(&app.owner, &path).await.status, 204);
    app.get(left_behind, "/api/user").await.problem(401, "unauthorized");
}

async fn old_exchanges_are_forgotten(scene: Scene) {
    let store = &scene.app.inner().store;
    scene.policies(json!([allow(json!({}))])).await.ok();
    scene.exchange(&scene.token().await, &[]).await.ok();
    // Refused tokens of strangers cost a bounded number of records.
    for _ in 0..70 {
        scene.refused(&scene.token().await, &[("scope", "admin")]).await;
    }
    let count = async |sql: &str| scene.app.database.number(sql).await;
    assert_eq!(count("SELECT COUNT(*) FROM exchanges WHERE outcome = 'no_match'").await, 60);
    store.forget_old_exchanges(scene.app.clock.now()).await.unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM exchanges").await, 61);
    assert_eq!(
        count("SELECT COUNT(*) FROM used_tokens").await,
        1,
        "it is good for another exchange otherwise"
    );
    let later = scene.app.clock.now() + jiff::SignedDuration::from_hours(2);
    store.forget_old_exchanges(later).await.unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM used_tokens").await, 0);
}

async fn drafts_are_explained_and_replayed(scene: Scene) {
    let app = &scene.app;
    scene.policies(json!([allow(json!({}))])).await.ok();
    let token = scene.token().await;
    scene.exchange(&token, &[]).await.ok();
    let path = format!("/api/orgs/acme/auth/policies/oidcissuers/{}", scene.issuer["id"].as_str().unwrap());
    let asked = json!({"token_type": "organization", "admin": false});
    let explained =
        app.post(&app.owner, &format!("{path}/explain"), &json!({"token": token, "asked": asked})).await.ok();
    assert_eq!(explained["decision"]["outcome"], "allowed");
    assert_eq!(explained["explanation"][0]["rules"][0]["matched"], true);
    // Policies keep their numbers even if earlier ones do not apply to a token for another audience.
    let for_aws = json!({"rules": {"aud": "sts.amazonaws.com", "sub": "runmint:deploy:org:acme:*"}});
    let two = json!([allow(json!({})), allow(for_aws)]);
    let run = scene.foreign.start_run(&json!({})).await;
    let elsewhere = scene.foreign.mint(&run, "&audience=sts.amazonaws.com").await;
    let body = json!({"token": elsewhere, "asked": asked, "policies": two});
    let explained = app.post(&app.owner, &format!("{path}/explain"), &body).await.ok();
    assert_eq!(explained["decision"], json!({"outcome": "allowed", "policy": 1}));
    assert_eq!(explained["explanation"][0]["policy"], 1);
    let draft = json!([allow(json!({"rules": {"sub": "runmint:deploy:org:acme:project:billing:*"}}))]);
    let replayed = app.post(&app.owner, &format!("{path}/replay"), &json!({"policies": draft})).await.ok();
    assert_eq!((&replayed["replayed"], replayed["differences"].as_array().unwrap().len()), (&json!(1), 1));
    let difference = &replayed["differences"][0];
    assert_eq!((&difference["before"], &difference["after"]), (&json!("allowed"), &json!("no_match")));
    assert!(!replayed.to_string().contains(&token));
    assert_eq!(app.database.dump().await.matches(&token).count(), 0, "tokens are never kept");
    for other in [&app.viewer, &app.orchestrator] {
        app.post(other, &format!("{path}/explain"), &json!({"token": token, "asked": asked}))
            .await
            .problem(403, "forbidden");
    }
}
