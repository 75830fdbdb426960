//! An exchange, its explanation and its replay decide by the same policies, whomever the token is for.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const CASES: usize = 60;

fn any_policy() -> impl Strategy<Value = Value> {
    let audience = select(vec![None, None, Some("sts.*"), Some("urn:runmint:org:*"), Some("x")]);
    let parts = (any::<bool>(), any::<bool>(), select(vec![SUBJECT, "workload:*", "other"]), audience);
    parts.prop_map(|(allows, admin, subject, audience)| {
        let decision = if allows { "allow" } else { "deny" };
        let mut policy =
            json!({"decision": decision, "tokenType": "organization", "rules": {"sub": subject}});
        if admin {
            policy["authorizedPermissions"] = json!(["admin"]);
        }
        if let Some(audience) = audience {
            policy["rules"]["aud"] = audience.into();
        }
        policy
    })
}

fn any_audience() -> impl Strategy<Value = Value> {
    let one = select(vec!["urn:runmint:org:acme", "urn:pulumi:org:acme", "sts.amazonaws.com", "x", "y"]);
    prop_oneof![one.clone().prop_map(Value::from), vec(one, 1..3).prop_map(Value::from)]
}

/// Over HTTP, by random policies and tokens. `x` and `y` are other relying parties.
pub(super) async fn exchanges_explanations_and_replays_cannot_differ(scene: Scene) {
    let app = &scene.app;
    let issuers = app.get(&app.owner, "/api/orgs/acme/oidc/issuers").await.ok();
    let issuer = issuers["oidcIssuers"][0]["id"].as_str().unwrap();
    let path = format!("/api/orgs/acme/auth/policies/oidcissuers/{issuer}");
    let strategy = (vec(any_policy(), 0..5), any_audience(), any::<bool>());
    let mut runner = TestRunner::default();
    let mut seen = BTreeSet::new();
    for _ in 0..CASES {
        let (policies, audience, admin) = strategy.new_tree(&mut runner).unwrap().current();
        // The last exchange is this one, and no limit of refusals is reached.
        app.clock.advance(SignedDuration::from_secs(10));
        scene.put(&json!(policies)).await;
        let mut claims = scene.claims(&scene.trusted);
        claims["aud"] = audience;
        let scope = if admin { "admin" } else { "" };
        let fields =
            [("requested_token_type", "urn:runmint:token-type:access_token:organization"), ("scope", scope)];
        let exchanged = scene.exchange(&scene.key.token(&claims), &fields).await.json();
        let exchanged = exchanged["reason"].as_str().unwrap_or("allowed").to_owned();

        let asked = json!({"token_type": "organization", "admin": admin});
        let body = json!({"claims": claims, "asked": asked});
        let explained = app.post(&app.owner, &format!("{path}/explain"), &body).await.ok();
        let draft = json!({"claims": claims, "asked": asked, "policies": policies});
        let draft = app.post(&app.owner, &format!("{path}/explain"), &draft).await.ok();
        assert_eq!(explained, draft, "as saved and as a draft: {policies:?}");
        let outcome = explained["decision"]["outcome"].as_str().unwrap();
        let expected: &[&str] = match exchanged.as_str() {
            "allowed" => &["allowed"],
            "denied_by_policy" => &["denied_by_policy"],
            "no_policy_matched" => &["no_match"],
            // Refused before any policy decides: then none of them may allow it.
            "audience_mismatch" => &["denied_by_policy", "no_match"],
            other => panic!("{other}: {policies:?} {claims}"),
        };
        assert!(expected.contains(&outcome), "{exchanged}, but {outcome}: {policies:?} {claims}");

        // These policies decided the last exchange, so a replay must decide it alike.
        if exchanged != "audience_mismatch" {
            let body = json!({"policies": policies, "last": 1});
            let replayed = app.post(&app.owner, &format!("{path}/replay"), &body).await.ok();
            let same = json!({"replayed": 1, "differences": []});
            assert_eq!(replayed, same, "{policies:?} {claims}");
        }
        seen.insert((exchanged, outcome.to_owned()));
    }
    assert!(seen.len() >= 4, "every outcome occurs: {seen:?}");
}
