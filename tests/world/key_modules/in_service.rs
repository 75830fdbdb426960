//! The program with its signing keys in a module: from `init` to a token, a rotation and a restart.

use jsonwebtoken::jwk::JwkSet;
use runmint::clock::{Clock, SystemClock};

use super::own_process::Variables;
use super::{aws_kms, pkcs11};
use crate::harness::{Engine, Installation, eventually, verify};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_on_a_token_sign_in_service() {
    let (_token, variables) = tokio::task::spawn_blocking(pkcs11::token).await.unwrap();
    let settings = format!(
        "key_store = 'pkcs11'\npkcs11_module = '{}'\npkcs11_token_label = '{}'\npkcs11_pin_file = 'pin'",
        pkcs11::module().display(),
        pkcs11::LABEL
    );
    let installation = with(Installation::new(Engine::Sqlite).await.configure(&settings), variables);
    std::fs::write(installation.path("pin"), format!("{}\n", pkcs11::PIN)).unwrap();
    // A PIN file that other users can read is refused.
    let refused = installation.run(&["init"]);
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    let for_its_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(installation.path("pin"), for_its_owner).unwrap();
    keys_sign_and_follow_one_another(installation, "pkcs11").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_kms_sign_in_service() {
    let (_moto, variables) = tokio::task::spawn_blocking(aws_kms::moto).await.unwrap();
    let endpoint = variables.iter().find(|(name, _)| *name == aws_kms::ENDPOINT).unwrap().1.clone();
    let settings =
        format!("key_store = 'aws-kms'\naws_kms_endpoint = '{endpoint}'\naws_kms_region = 'eu-central-1'");
    let installation = with(Installation::new(Engine::Postgres).await.configure(&settings), variables);
    keys_sign_and_follow_one_another(installation, "aws-kms").await;
}

fn with(installation: Installation, variables: Variables) -> Installation {
    let theirs = variables.into_iter().filter(|(name, _)| !name.starts_with("RUNMINT_"));
    theirs.fold(installation, |installation, (name, value)| installation.variable(name, &value))
}

async fn keys_sign_and_follow_one_another(installation: Installation, kept_in: &str) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let token = service.ask(&run).await.ok()["value"].as_str().unwrap().to_owned();
    let set: JwkSet = serde_json::from_value(service.get("", "/oidc/.well-known/jwks").await.ok()).unwrap();
    verify(&token, &set, Installation::ISSUER, SystemClock.now()).unwrap();
    let keys = async || service.get(&admin, "/api/keys").await.ok()["keys"].as_array().unwrap().clone();
    // The first look creates the next key.
    eventually("a next key is there", async || keys().await.len() == 2).await;
    for key in keys().await {
        assert_eq!(key["kept_in"], kept_in, "{key}");
    }
    // The database holds only a reference, which a restarted process opens.
    let longest = installation.database.number("SELECT MAX(LENGTH(private_key)) FROM signing_keys").await;
    assert!(longest < 200, "{longest} characters are more than a reference");
    service.stop("TERM");
    let again = installation.serve();
    again.ask(&run).await.ok();
}
