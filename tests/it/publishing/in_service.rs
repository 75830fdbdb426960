//! `publish_to` of a service: no key signs before every static copy has it.

use std::fs;

use serde_json::Value;

use crate::harness::{Installation, eventually, installed_on_both_engines};

installed_on_both_engines![no_key_signs_before_its_copy_is_there];

async fn no_key_signs_before_its_copy_is_there(installation: Installation) {
    let folder = installation.path("site");
    let target = format!("publish_to = 'file://{}'", folder.display());
    let installation = installation.configure(&target);
    // Something else stands where the copy should be.
    fs::write(&folder, "in the way").unwrap();
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    service.ask(&run).await.problem(503, "unavailable");
    service.process.log_line("static cop");
    service.ask(&run).await.problem(503, "unavailable");
    fs::remove_file(&folder).unwrap();
    eventually("the copy is written", async || service.ask(&run).await.status == 200).await;

    let token = service.ask(&run).await.ok()["value"].as_str().unwrap().to_owned();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let copy = |name: &str| fs::read_to_string(folder.join("oidc/.well-known").join(name)).unwrap();
    assert!(copy("jwks").contains(&kid));
    let discovery: Value = serde_json::from_str(&copy("openid-configuration")).unwrap();
    assert_eq!(discovery["issuer"], Installation::ISSUER);
    // Every change follows by itself.
    let served = async || service.get("", "/oidc/.well-known/jwks").await.text;
    eventually("the next key is in the copy", async || {
        served().await.matches("kid").count() == 2 && copy("jwks") == served().await
    })
    .await;
}
