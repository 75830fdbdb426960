//! A caller cannot choose the identity of a run or of the actor behind it.

use super::*;
use insta::assert_snapshot;

/// Services and audience profiles may change after a policy was saved.
pub(super) async fn a_callers_choice_never_becomes_part_of_a_runs_identity(scene: Scene) {
    let app = &scene.app;
    let mut wish = wishes().swap_remove(5);
    wish.policy["run"]["attributes"]["deployment"] = json!({"choose": "any"});
    scene.put(&json!([wish.policy])).await;
    wish.fields.push(("attributes", r#"{"deployment": "prod"}"#));
    check("chosen", &scene.exchange(&scene.token(&scene.trusted), &wish.fields).await, Ok(()));
    // From now on AWS grants permissions by it.
    let tags = json!({"tags": {"Deployment": "deployment"}});
    let profiles = json!({"version": 0, "profiles": {"sts.amazonaws.com": {"aws_session_tags": tags}}});
    let saved =
        app.send(reqwest::Method::PUT, &app.owner, "/api/orgs/acme/audience-profiles", &profiles).await;
    saved.ok();
    let refused = scene.exchange(&scene.token(&scene.trusted), &wish.fields).await;
    check("identifying", &refused, Err("run"));
    assert_snapshot!(refused.shown(), @r#"
    400 Bad Request
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "error": "invalid_request",
      "error_description": "the policy lets the caller choose `deployment`, which identifies a run since services or audience profiles changed: an owner must change the policy to take it from a claim",
      "reason": "run"
    }
    "#);
    wish.policy["run"]["attributes"]["deployment"] = json!({"value": "prod"});
    scene.put(&json!([wish.policy])).await;
    check("vouched for", &scene.exchange(&scene.token(&scene.trusted), &wish.fields).await, Ok(()));

    for name in ["actor", "actor_id"] {
        let mut policy = wish.policy.clone();
        policy["run"]["attributes"][name] = json!({"choose": "any"});
        let answer = app.patch(&app.owner, &scene.policies, &json!({"policies": [policy]})).await;
        assert!(answer.problem(422, "invalid-input").contains(name));
    }
}

pub(super) async fn a_team_cannot_claim_another_actor_for_a_run(scene: Scene) {
    let app = &scene.app;
    let everything = json!({"rights": [{"project": "*", "stack": "*", "access": "write"}]});
    app.patch(&app.owner, "/api/orgs/acme/teams/web", &everything).await.ok();
    scene.put(&json!([wishes()[0].policy, wishes()[2].policy])).await;
    let run = |actor: Option<&str>| {
        let mut attributes = json!({"project": "p", "stack": "s", "operation": "update"});
        if let Some(actor) = actor {
            attributes["actor"] = json!(actor);
        }
        json!({"service": "deploy", "attributes": attributes})
    };
    let exchanged = async |index: usize| {
        let answer = scene.exchange(&scene.token(&scene.trusted), &wishes()[index].fields).await.ok();
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let (organization, team) = (exchanged(0).await, exchanged(2).await);
    let runs = "/api/orgs/acme/runs";
    app.post(&team, runs, &run(Some("ceo@acme.example"))).await.problem(403, "forbidden");
    let started = app.post(&team, runs, &run(None)).await.ok();
    assert_eq!(started["claims"]["actor"], SUBJECT);
    // A caller with the orchestrator role vouches for every attribute; `act` stays unchanged.
    let started = app.post(&organization, runs, &run(Some("ada"))).await.ok();
    assert_eq!(
        (&started["claims"]["actor"], &started["claims"]["act"]["sub"]),
        (&json!("ada"), &json!(SUBJECT))
    );
}

pub(super) async fn denying_the_admin_scope_leaves_no_other_way_to_become_an_owner(scene: Scene) {
    let app = &scene.app;
    let mut owner = wishes().swap_remove(0).policy;
    owner["roleID"] = json!("owner");
    let answer = app.patch(&app.owner, &scene.policies, &json!({"policies": [owner]})).await;
    answer.problem(422, "invalid-input");
    let deny_admin = json!({
        "decision": "deny", "tokenType": "organization", "authorizedPermissions": ["admin"], "rules": {"sub": SUBJECT},
    });
    scene.put(&json!([wishes()[1].policy, deny_admin])).await;
    let [plain, admin] = [0, 1].map(|index| wishes().swap_remove(index).fields);
    check("admin", &scene.exchange(&scene.token(&scene.trusted), &admin).await, Err("denied_by_policy"));
    let exchanged = scene.exchange(&scene.token(&scene.trusted), &plain).await.ok();
    let token = exchanged["access_token"].as_str().unwrap();
    assert_eq!(app.get(token, "/api/user").await.ok()["role"], "orchestrator");
}

pub(super) async fn a_team_sees_only_its_own_projects_clouds(scene: Scene) {
    let app = &scene.app;
    let rights = json!({"rights": [{"project": "website", "stack": "prod", "access": "read"}]});
    app.patch(&app.owner, "/api/orgs/acme/teams/web", &rights).await.ok();
    scene.put(&json!([wishes()[2].policy])).await;
    let role = |name: &str| json!({"roleArn": format!("arn:aws:iam::123456789012:role/{name}")});
    let settings = json!([
        {"aws": role("everybody")},
        {"project": "website", "aws": role("website")},
        {"project": "website", "stack": "prod", "aws": role("prod")},
        {"project": "website", "stack": "staging", "aws": role("staging")},
        {"project": "billing", "aws": role("billing")},
    ]);
    let path = "/api/orgs/acme/cloud-settings";
    app.put(&app.owner, path, &json!({"version": 0, "settings": settings})).await.ok();
    let answer = scene.exchange(&scene.token(&scene.trusted), &wishes()[2].fields).await.ok();
    let seen = app.get(answer["access_token"].as_str().unwrap(), path).await.ok();
    assert_eq!(seen["settings"], json!(settings.as_array().unwrap()[..3]));
    assert_eq!(app.get(&app.viewer, path).await.ok()["settings"], settings);
}
