//! Records of exchanges: what is kept, for how long, and at whose cost.

use super::*;

pub(super) async fn a_reregistered_issuer_does_not_forget_used_tokens(scene: Scene) {
    let app = &scene.app;
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    let token = scene.token(&scene.trusted);
    scene.exchange(&token, &wish.fields).await.ok();
    let issuers = app.get(&app.owner, "/api/orgs/acme/oidc/issuers").await.ok();
    let path = format!("/api/orgs/acme/oidc/issuers/{}", issuers["oidcIssuers"][0]["id"].as_str().unwrap());
    assert_eq!(app.delete(&app.owner, &path).await.status, 204);
    let (_, policies) = scene.register(&app.owner, "acme", &scene.trusted).await;
    app.patch(&app.owner, &policies, &json!({"policies": [wish.policy]})).await.ok();
    check("the same", &scene.exchange(&token, &wish.fields).await, Err("token_reused"));
    check("another", &scene.exchange(&scene.token(&scene.trusted), &wish.fields).await, Ok(()));
}

pub(super) async fn refusals_at_one_issuer_do_not_displace_another_issuers(scene: Scene) {
    let wish = &wishes()[0];
    let token = scene.token(&scene.trusted);
    for _ in 0..70 {
        check("refused", &scene.exchange(&token, &wish.fields).await, Err("no_policy_matched"));
    }
    let refused = "SELECT COUNT(*) FROM exchanges WHERE outcome <> 'allowed'";
    assert_eq!(scene.app.database.number(refused).await, 60, "a stranger costs so many records a minute");
    let (_, policies) = scene.register(&scene.globex_owner, "globex", &scene.stranger).await;
    scene.app.patch(&scene.globex_owner, &policies, &json!({"policies": []})).await.ok();
    let mut claims = scene.claims(&scene.stranger);
    claims["aud"] = json!("urn:runmint:org:globex");
    let fields = [&wish.fields[..], &[("audience", "urn:runmint:org:globex")]].concat();
    let answer = scene.exchange(&scene.key.token(&claims), &fields).await;
    check("elsewhere", &answer, Err("no_policy_matched"));
    assert_eq!(scene.app.database.number(refused).await, 61);
}

pub(super) async fn a_thousand_exchanges_of_each_outcome_are_kept(scene: Scene) {
    let wish = &wishes()[0];
    scene.put(&json!([wish.policy])).await;
    scene.exchange(&scene.token(&scene.trusted), &wish.fields).await.ok();
    let app = scene.app.inner();
    let issuer = app.store.issuer_at("acme", &scene.trusted.url).await.unwrap().unwrap();
    let now = app.clock.now();
    let refused = |number: u128| Exchange {
        id: uuid::Uuid::from_u128(number),
        issuer_id: issuer.id,
        at: now,
        asked: json!({}),
        claims: serde_json::Map::new(),
        outcome: Outcome::NoMatch,
        policy_version: 1,
        caller: String::new(),
    };
    for number in 1..=1_010 {
        app.store.record_refusal(&refused(number)).await.unwrap();
    }
    app.store.forget_old_exchanges(now).await.unwrap();
    let of = async |outcome: &str| {
        let sql = format!("SELECT COUNT(*) FROM exchanges WHERE outcome = '{outcome}'");
        scene.app.database.number(&sql).await
    };
    assert_eq!((of("no_match").await, of("allowed").await), (1_000, 1));
    let oldest = "SELECT COUNT(*) FROM exchanges WHERE id = '00000000-0000-0000-0000-00000000000b'";
    let before = "SELECT COUNT(*) FROM exchanges WHERE id = '00000000-0000-0000-0000-00000000000a'";
    assert_eq!((scene.app.database.number(oldest).await, scene.app.database.number(before).await), (1, 0));
}
