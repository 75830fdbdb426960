//! Every way to request more than is allowed: the requested token, the subject token and the policies vary.
//! Only one combination is granted; every other is refused for its own reason.

mod agreement;
mod identity;
mod memory;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use runmint::clock::Clock;
use runmint::domain::access_token::{AccessToken, Holder, Role};
use runmint::domain::exchange::{Exchange, Outcome};
use runmint::entropy::uuid_at;
use runmint::issuer::organization_name::OrganizationName;
use runmint::opaque_token::{OpaqueToken, TokenKind};
use runmint::store::exchanges::{Gained, Spent, Use};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::form_urlencoded;

use self::agreement::*;
use self::identity::*;
use self::memory::*;
use crate::foreign_issuer::{ForeignIssuer, ForeignKey};
use crate::harness::{Answer, Engine, Setup, TestApp, on_both_engines};

on_both_engines![
    Scene:
    an_exchange_grants_only_what_this_organizations_policies_allow,
    a_hundred_concurrent_requests_are_one_exchange,
    refuses_a_form_with_a_missing_repeated_or_unknown_field,
    a_deleted_organization_answers_like_an_unknown_one,
    a_policy_applies_to_other_audiences_only_if_it_names_them,
    exchanges_explanations_and_replays_cannot_differ,
    a_token_is_remembered_for_as_long_as_it_is_accepted,
    the_issuer_bounds_the_requested_lifetime,
    a_change_after_the_decision_undoes_it,
    a_reregistered_issuer_does_not_forget_used_tokens,
    refusals_at_one_issuer_do_not_displace_another_issuers,
    a_thousand_exchanges_of_each_outcome_are_kept,
    a_callers_choice_never_becomes_part_of_a_runs_identity,
    a_team_cannot_claim_another_actor_for_a_run,
    a_team_sees_only_its_own_projects_clouds,
    denying_the_admin_scope_leaves_no_other_way_to_become_an_owner,
];

const SUBJECT: &str = "workload:website";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

struct Scene {
    app: TestApp,
    key: ForeignKey,
    /// The policies apply to this issuer's tokens.
    trusted: ForeignIssuer,
    /// Registered with an organization that is not asked.
    elsewhere: ForeignIssuer,
    /// Registered and then deleted.
    deleted: ForeignIssuer,
    /// Never registered.
    stranger: ForeignIssuer,
    globex_owner: String,
    /// The number of tokens made: no two are alike.
    tokens: AtomicU64,
    /// The path of the policies of `trusted`.
    policies: String,
}

/// A request: its fields, and the policy that would grant it.
struct Wish {
    name: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    policy: Value,
}

impl Scene {
    async fn set(engine: Engine) -> Self {
        let app = Setup::new(engine)
            .config("trust_plain_http = true\ntrust_allowed_ranges = '127.0.0.0/8'")
            .run()
            .await;
        app.post_ok(&app.admin, "/api/orgs", &json!({"name": "globex"})).await;
        let globex_owner = app.make_token("globex", "owner").await;
        app.post_ok(&app.owner, "/api/orgs/acme/teams", &json!({"name": "web", "rights": []})).await;
        app.post_ok(&app.owner, "/api/orgs/acme/users", &json!({"name": "ada", "rights": []})).await;
        // All of them use the same key id.
        let key = ForeignKey::es256("1");
        let trusted = ForeignIssuer::start(&[&key]).await;
        let [elsewhere, deleted, stranger] = [
            ForeignIssuer::start(&[&key]).await,
            ForeignIssuer::start(&[&key]).await,
            ForeignIssuer::start(&[&key]).await,
        ];
        let mut scene = Self {
            app,
            key,
            trusted,
            elsewhere,
            deleted,
            stranger,
            globex_owner,
            tokens: AtomicU64::new(0),
            policies: String::new(),
        };
        let app = &scene.app;
        let (_, policies) = scene.register(&app.owner, "acme", &scene.trusted).await;
        let every: Vec<Value> = wishes().into_iter().map(|wish| wish.policy).collect();
        let (_, theirs) = scene.register(&scene.globex_owner, "globex", &scene.elsewhere).await;
        app.patch(&scene.globex_owner, &theirs, &json!({"policies": every})).await.ok();
        let (issuer, gone) = scene.register(&app.owner, "acme", &scene.deleted).await;
        app.patch(&app.owner, &gone, &json!({"policies": every})).await.ok();
        assert_eq!(app.delete(&app.owner, &issuer).await.status, 204);
        scene.policies = policies;
        scene
    }

    /// The paths of the issuer and of its policies.
    async fn register(&self, owner: &str, org: &str, issuer: &ForeignIssuer) -> (String, String) {
        let issuers = format!("/api/orgs/{org}/oidc/issuers");
        let body = json!({"name": issuer.url, "url": issuer.url});
        let made = self.app.post_ok(owner, &issuers, &body).await;
        let id = made["id"].as_str().unwrap();
        let path = format!("/api/orgs/{org}/auth/policies/oidcissuers/{id}");
        let policy = self.app.get(owner, &path).await.ok();
        let policies = format!("/api/orgs/{org}/auth/policies/{}", policy["id"].as_str().unwrap());
        (format!("{issuers}/{id}"), policies)
    }

    async fn put(&self, policies: &Value) {
        self.app.patch(&self.app.owner, &self.policies, &json!({"policies": policies})).await.ok();
    }

    fn claims(&self, issuer: &ForeignIssuer) -> Value {
        let now = self.app.clock.now().as_second();
        json!({
            "iss": issuer.url, "sub": SUBJECT, "aud": "urn:runmint:org:acme", "iat": now, "exp": now + 600,
            "jti": self.tokens.fetch_add(1, Ordering::Relaxed).to_string(),
        })
    }

    fn token(&self, issuer: &ForeignIssuer) -> String {
        self.key.token(&self.claims(issuer))
    }

    async fn exchange(&self, token: &str, fields: &[(&'static str, &'static str)]) -> Answer {
        send(&self.app, &form(token, fields)).await
    }
}

fn form(token: &str, fields: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
    let usual = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", "urn:runmint:org:acme"),
        ("subject_token_type", ID_TOKEN),
        ("subject_token", token),
    ];
    let all = usual.iter().filter(|(name, _)| fields.iter().all(|(other, _)| other != name)).chain(fields);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn send(app: &TestApp, form: &[(String, String)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = app.http.post(format!("{}/api/oauth/token", app.base_url));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    Answer::read(request.send().await.unwrap()).await
}

fn wishes() -> Vec<Wish> {
    let kind = |name: &'static str, requested: &'static str, scope: &'static str, more: Value| {
        let mut policy = json!({"decision": "allow", "rules": {"sub": SUBJECT}});
        for (member, value) in more.as_object().unwrap() {
            policy[member] = value.clone();
        }
        Wish { name, fields: vec![("requested_token_type", requested), ("scope", scope)], policy }
    };
    let mut wishes = vec![
        kind(
            "organization",
            "urn:runmint:token-type:access_token:organization",
            "",
            json!({"tokenType": "organization"}),
        ),
        kind(
            "admin",
            "urn:runmint:token-type:access_token:organization",
            "admin",
            json!({"tokenType": "organization", "authorizedPermissions": ["admin"]}),
        ),
        kind(
            "team",
            "urn:pulumi:token-type:access_token:team",
            "team:web",
            json!({"tokenType": "team", "teamName": "web"}),
        ),
        kind(
            "user",
            "urn:pulumi:token-type:access_token:personal",
            "user:ada",
            json!({"tokenType": "personal", "userLogin": "ada"}),
        ),
        kind(
            "runner",
            "urn:runmint:token-type:access_token:runner",
            "runner:pool",
            json!({"tokenType": "runner", "runnerID": "pool"}),
        ),
    ];
    let value = |text: &str| json!({"value": text});
    let attributes = json!({"project": value("p"), "stack": value("s"), "operation": value("update")});
    let run = json!({"service": "deploy", "attributes": attributes});
    let mut wish = kind("run", ID_TOKEN, "", json!({"tokenType": "run", "run": run}));
    wish.fields.push(("id_token_audience", "sts.amazonaws.com"));
    wishes.push(wish);
    wishes
}

/// The same policy as `deny`.
fn denied(policy: &Value) -> Value {
    let mut deny = policy.clone();
    deny["decision"] = json!("deny");
    deny.as_object_mut().unwrap().remove("authorizedPermissions");
    if let Some(run) = deny.get_mut("run") {
        *run = json!({"service": run["service"]});
    }
    deny
}

async fn an_exchange_grants_only_what_this_organizations_policies_allow(scene: Scene) {
    let forger = ForeignKey::es256("1");
    let mut counted = 0;
    let mut strangers = BTreeSet::new();
    for (index, wish) in wishes().iter().enumerate() {
        // A policy that grants more than requested also grants it; one that grants less does not.
        let others: Vec<Value> = wishes()
            .into_iter()
            .enumerate()
            .filter(|(other, kind)| *other != index && (wish.name, kind.name) != ("organization", "admin"))
            .map(|(_, kind)| kind.policy)
            .collect();
        let mut somebody_else = wish.policy.clone();
        somebody_else["rules"]["sub"] = json!("workload:billing");
        let mut another_audience = wish.policy.clone();
        another_audience["rules"]["aud"] = json!("sts.amazonaws.com");
        let states = [
            ("no policy", json!([]), Err("no_policy_matched")),
            ("others' grants", json!(others), Err("no_policy_matched")),
            ("others' subjects", json!([somebody_else]), Err("no_policy_matched")),
            ("another audience", json!([another_audience]), Err("no_policy_matched")),
            ("denied last", json!([wish.policy, denied(&wish.policy)]), Err("denied_by_policy")),
            ("denied first", json!([denied(&wish.policy), wish.policy]), Err("denied_by_policy")),
            ("allowed", json!([wish.policy]), Ok(())),
        ];
        for (state, policies, expected) in states {
            scene.put(&policies).await;
            let name = format!("{}, {state}", wish.name);
            let answer = scene.exchange(&scene.token(&scene.trusted), &wish.fields).await;
            check(&name, &answer, expected);
            counted += 1;
            // Policies apply only to the tokens of their own issuer.
            for issuer in [&scene.elsewhere, &scene.deleted, &scene.stranger] {
                let answer = scene.exchange(&scene.token(issuer), &wish.fields).await;
                check(&name, &answer, Err("issuer_unknown"));
                strangers.insert(answer.text);
                counted += 1;
            }
            let forged = forger.token(&scene.claims(&scene.trusted));
            check(&name, &scene.exchange(&forged, &wish.fields).await, Err("signature"));
            let mut claims = scene.claims(&scene.trusted);
            claims["aud"] = json!("urn:runmint:org:globex");
            let for_others = scene.exchange(&scene.key.token(&claims), &wish.fields).await;
            check(&name, &for_others, Err("audience_mismatch"));
            counted += 2;
        }
        // A known name reveals nothing about the organization.
        let fields = [&wish.fields[..], &[("audience", "urn:runmint:org:nowhere")]].concat();
        let answer = scene.exchange(&scene.token(&scene.trusted), &fields).await;
        strangers.insert(answer.text);
        counted += 1;
    }
    assert_eq!(strangers.len(), 1, "each tells as little as the next: {strangers:?}");
    let runs = scene.app.get(&scene.app.owner, "/api/orgs/acme/runs").await.ok();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "the one that was allowed");
    let tokens = "SELECT COUNT(*) FROM access_tokens WHERE trusted_issuer_id IS NOT NULL";
    assert_eq!(scene.app.database.number(tokens).await, i64::try_from(wishes().len()).unwrap());
    println!("counted: {counted} exchanges asked for, {} of them allowed", wishes().len());
}

#[track_caller]
fn check(name: &str, answer: &Answer, expected: Result<(), &str>) {
    match expected {
        Ok(()) => assert_eq!(answer.status, 200, "{name}: {}", answer.text),
        Err(reason) => {
            assert_eq!(answer.status, 400, "{name}: {}", answer.text);
            assert_eq!(answer.json()["reason"], reason, "{name}: {}", answer.text);
        }
    }
}

async fn a_hundred_concurrent_requests_are_one_exchange(scene: Scene) {
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    let replica = Arc::new(scene.app.replica().await);
    let token = scene.token(&scene.trusted);
    let same = form(&token, &wish.fields);
    let answers = all_at_once(&scene, &replica, |_| same.clone()).await;
    let given: BTreeSet<String> =
        answers.iter().map(|answer| answer.json()["access_token"].as_str().unwrap().to_owned()).collect();
    assert_eq!(given.len(), 1, "one request, however often it is sent, has one answer");
    // Each request differs slightly: the first one wins, on any process.
    let token = scene.token(&scene.trusted);
    let different = |number: usize| {
        let mut fields = form(&token, &wish.fields);
        fields.push(("expiration".to_owned(), (600 + number).to_string()));
        fields
    };
    let answers = all_at_once(&scene, &replica, different).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        check("the others", answer, Err("token_reused"));
    }
    let used = "SELECT COUNT(*) FROM used_tokens";
    assert_eq!(scene.app.database.number(used).await, 2);
}

async fn all_at_once(
    scene: &Scene,
    replica: &Arc<TestApp>,
    form: impl Fn(usize) -> Vec<(String, String)>,
) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let app = if number % 2 == 0 { &scene.app } else { replica.as_ref() };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form(number)).finish();
        let request = app.http.post(format!("{}/api/oauth/token", app.base_url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        requests.spawn(async move { Answer::read(request.send().await.unwrap()).await });
    }
    requests.join_all().await
}

async fn refuses_a_form_with_a_missing_repeated_or_unknown_field(scene: Scene) {
    let wish = &wishes()[2];
    scene.put(&json!([wish.policy])).await;
    let good = form(&scene.token(&scene.trusted), &wish.fields);
    let mut counted = 0;
    let mut refused = async |fields: Vec<(String, String)>| {
        let answer = send(&scene.app, &fields).await;
        assert_eq!(answer.status, 400, "{fields:?}: {}", answer.text);
        let body = answer.json();
        assert!(body["error"].is_string() && body["error_description"].is_string(), "{body}");
        assert!(body.get("access_token").is_none(), "{body}");
        counted += 1;
    };
    let long = format!("team:{}", "w".repeat(101));
    let strange = [
        long.as_str(),
        "",
        " ",
        "*",
        "null",
        "urn:runmint:org:",
        "admin",
        "team:",
        "team:*",
        "team:web team:web",
        "\u{0}",
    ];
    for (index, (name, value)) in good.iter().enumerate() {
        let mut without = good.clone();
        without.remove(index);
        refused(without).await;
        let mut twice = good.clone();
        twice.push((name.clone(), value.clone()));
        refused(twice).await;
        for text in strange.iter().map(|text| (*text).to_owned()).chain([
            format!(" {value}"),
            format!("{value} "),
            value.to_uppercase(),
            format!("{value}\u{0}"),
        ]) {
            let mut changed = good.clone();
            changed[index].1 = text;
            refused(changed).await;
        }
    }
    for (name, value) in [
        ("actor_token", "x"),
        ("resource", "https://id.example.com"),
        ("client_id", "x"),
        ("Scope", "admin"),
        ("expiration", "-1"),
        ("expiration", "0"),
        ("expiration", "1e9"),
        ("expiration", "7200.0"),
        ("expiration", "99999999999999999999"),
        ("service", "deploy"),
        ("attributes", "{}"),
        ("id_token_audience", "sts.amazonaws.com"),
    ] {
        let mut more = good.clone();
        more.push((name.to_owned(), value.to_owned()));
        refused(more).await;
    }
    println!("counted: {counted} strange forms of an exchange, each refused");
    // None of the refused requests used up the token.
    assert_eq!(send(&scene.app, &good).await.status, 200);

    // Permanent records are bounded even if a policy accepts every name.
    let mut any_runner = wishes()[4].policy.clone();
    any_runner["runnerID"] = json!("*");
    scene.put(&json!([any_runner])).await;
    for (length, expected) in [(101, Err("scope")), (100, Ok(()))] {
        let mut fields = form(&scene.token(&scene.trusted), &[wishes()[4].fields[0]]);
        fields.push(("scope".to_owned(), format!("runner:{}", "r".repeat(length))));
        check("a long name", &send(&scene.app, &fields).await, expected);
    }
}

async fn a_deleted_organization_answers_like_an_unknown_one(scene: Scene) {
    let app = &scene.app;
    let wish = &wishes()[0];
    let mut claims = scene.claims(&scene.elsewhere);
    claims["aud"] = json!("urn:runmint:org:globex");
    let fields = [&wish.fields[..], &[("audience", "urn:runmint:org:globex")]].concat();
    let exchanged = scene.exchange(&scene.key.token(&claims), &fields).await.ok();
    let access_token = exchanged["access_token"].as_str().unwrap();
    app.get(access_token, "/api/user").await.ok();
    assert_eq!(app.delete(&app.admin, "/api/orgs/globex").await.status, 204);
    claims["jti"] = json!("another");
    let answer = scene.exchange(&scene.key.token(&claims), &fields).await;
    check("deleted", &answer, Err("issuer_unknown"));
    app.get(access_token, "/api/user").await.problem(401, "unauthorized");
}

async fn a_policy_applies_to_other_audiences_only_if_it_names_them(scene: Scene) {
    let [orchestrator, admin] = [0, 1].map(|index| wishes().swap_remove(index));
    // A policy accepts tokens made for AWS for an orchestrator's token; no policy accepts them for an
    // owner's.
    let mut for_aws = orchestrator.policy;
    for_aws["rules"]["aud"] = json!("sts.amazonaws.com");
    scene.put(&json!([for_aws, admin.policy])).await;
    let for_aws = || {
        let mut claims = scene.claims(&scene.trusted);
        claims["aud"] = json!("sts.amazonaws.com");
        scene.key.token(&claims)
    };
    check("named", &scene.exchange(&for_aws(), &orchestrator.fields).await, Ok(()));
    check("not named", &scene.exchange(&for_aws(), &admin.fields).await, Err("no_policy_matched"));
    check("ours", &scene.exchange(&scene.token(&scene.trusted), &admin.fields).await, Ok(()));
}

async fn a_token_is_remembered_for_as_long_as_it_is_accepted(scene: Scene) {
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    let token = scene.token(&scene.trusted);
    scene.exchange(&token, &wish.fields).await.ok();
    // The token has expired but is accepted for another minute, to allow for clock differences.
    for (seconds, reason) in [(630, "token_reused"), (29, "token_reused"), (1, "expired")] {
        scene.app.clock.advance(SignedDuration::from_secs(seconds));
        scene.app.inner().store.forget_old_exchanges(scene.app.clock.now()).await.unwrap();
        check("again", &scene.exchange(&token, &wish.fields).await, Err(reason));
    }
}

async fn the_issuer_bounds_the_requested_lifetime(scene: Scene) {
    let app = &scene.app;
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    let issuers = app.get(&app.owner, "/api/orgs/acme/oidc/issuers").await.ok();
    let path = format!("/api/orgs/acme/oidc/issuers/{}", issuers["oidcIssuers"][0]["id"].as_str().unwrap());
    app.patch(&app.owner, &path, &json!({"name": "short", "maxExpiration": 600})).await.ok();
    for (asked, given) in [("7200", 600), ("600", 600), ("60", 60)] {
        let fields = [&wish.fields[..], &[("expiration", asked)]].concat();
        let exchanged = scene.exchange(&scene.token(&scene.trusted), &fields).await.ok();
        assert_eq!(exchanged["expires_in"], given, "{asked}");
    }
    assert_eq!(scene.exchange(&scene.token(&scene.trusted), &wish.fields).await.ok()["expires_in"], 600);
}

/// Another caller's change falls between the decision and the transaction that carries it out.
async fn a_change_after_the_decision_undoes_it(scene: Scene) {
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    let app = scene.app.inner();
    let organization = OrganizationName::parse("acme").unwrap();
    let organization = app.store.organization_named(&organization).await.unwrap().unwrap();
    let decided_by = app.store.issuer_at("acme", &scene.trusted.url).await.unwrap().unwrap();
    let now = app.clock.now();
    let attempt = async |name: &str| {
        let id = uuid_at(now, app.entropy.as_ref());
        let exchange = Exchange {
            id,
            issuer_id: decided_by.id,
            at: now,
            asked: json!({}),
            claims: serde_json::Map::new(),
            outcome: Outcome::Allowed,
            policy_version: decided_by.policy.version,
            caller: String::new(),
        };
        let token = AccessToken {
            id,
            name: name.to_owned(),
            role: Role::Orchestrator,
            organization: Some((organization.id, organization.name.clone())),
            created_at: now,
            expires_at: Some(now + SignedDuration::from_hours(1)),
            last_used_at: None,
            revoked_at: None,
            holder: Holder::Role,
            origin: None,
        };
        let used = Use { token_hash: name.to_owned(), request_hash: name.to_owned(), expires_at: now };
        let secret = OpaqueToken::generate(TokenKind::AccessToken, app.entropy.as_ref()).hash();
        app.store
            .exchange(
                &exchange,
                &used,
                Gained {
                    token: &token,
                    secret: &secret,
                    issuer_modified_at: decided_by.modified_at,
                    run: None,
                },
            )
            .await
            .unwrap()
    };
    assert_eq!(attempt("as it was decided").await, Spent::Now);
    scene.put(&json!([denied(&wish.policy)])).await;
    assert_eq!(attempt("the policies changed").await, Spent::Changed);
    let used = "SELECT COUNT(*) FROM used_tokens";
    assert_eq!(scene.app.database.number(used).await, 1, "the token can be tried again");
}
