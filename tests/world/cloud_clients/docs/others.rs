use serde_json::Value;

use super::{ISSUER, Reader, blocks};
use crate::cloud_clients::world::claims;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_vault_binds_what_a_run_presents() {
    let reader = Reader::new().await;
    let [trust, login, _] = blocks("vault-and-kubernetes.md", "sh").try_into().unwrap();
    let arguments = reader.arguments("vault", &trust);
    let bound = |name: &str| {
        let found = arguments.iter().find_map(|argument| argument.strip_prefix(&format!("{name}=")));
        found.unwrap_or_else(|| panic!("no {name} in {arguments:?}")).to_owned()
    };
    reader.program("vault", "#!/bin/sh\ncat\n");
    let token = reader.follows(&login);
    let claims = claims(&token);
    assert_eq!(claims["iss"], bound("oidc_discovery_url"));
    assert_eq!(claims["iss"], bound("bound_issuer"));
    assert_eq!(claims["aud"], bound("bound_audiences"));
    assert_eq!(claims["sub"], bound("bound_subject"));
    assert!(claims[bound("user_claim")].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_kubernetes_admits_what_a_run_presents() {
    let reader = Reader::new().await;
    let [_, _, file] = blocks("vault-and-kubernetes.md", "sh").try_into().unwrap();
    let [authentication, binding] = blocks("vault-and-kubernetes.md", "yaml").try_into().unwrap();
    // The page shows the program's own output, which therefore passes the program's check.
    let page = std::fs::read_to_string(super::folder().join("vault-and-kubernetes.md")).unwrap();
    let (_, command) = page.split_once("`runmint trust kubernetes --org").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let command = format!("runmint trust kubernetes --org{} --issuer {ISSUER}", command.replace('\n', " "));
    let written: Value = serde_json::from_str(&reader.follows(&command)).unwrap();
    let authentication = reader.here(&authentication);
    assert_eq!(serde_saphyr::from_str::<Value>(&authentication).unwrap(), written);
    reader.follows(&file);
    let token = std::fs::read_to_string(reader.world.folder.join("token")).unwrap();
    let claims = claims(&token);
    // A line of these files is a key and a value.
    let values = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_start_matches([' ', '-']));
        let values = lines.filter_map(|line| line.strip_prefix(&format!("{key}: ")));
        values.map(|value| value.trim_matches('"').to_owned()).collect()
    };
    assert_eq!(values(&authentication, "url"), [claims["iss"].as_str().unwrap()]);
    assert!(authentication.contains(&format!("- {}\n", claims["aud"].as_str().unwrap())));
    let [rule, username, _] = values(&authentication, "expression").try_into().unwrap();
    assert_eq!(evaluate(&rule, &claims), cel::Value::Bool(true));
    let username = evaluate(&username, &claims);
    let bound = values(&binding, "name").pop().unwrap();
    assert_eq!(username, cel::Value::from(bound), "who is let in is who is bound");
    reader.write("authentication.yaml", &authentication);
    reader.write("claims.json", &claims.to_string());
    reader.follows("runmint trust test authentication.yaml --claims claims.json --expect accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_names_the_run_and_starts_a_command_in_it() {
    let mut reader = Reader::new().await;
    let [preview, exec, file] = blocks("README.md", "sh").try_into().unwrap();
    let (url, token) = (reader.world.app.base_url.clone(), reader.world.app.orchestrator.clone());
    reader.set("RUNMINT_URL", &url);
    reader.set("RUNMINT_ACCESS_TOKEN", &token);
    let subject = reader.world.subject();
    assert!(reader.follows(&preview).contains(&subject));
    let page = std::fs::read_to_string(super::folder().join("README.md")).unwrap();
    assert!(page.contains(&format!("\n{subject}\n")), "the run of all examples is this one");
    reader.deploy_by("boto3");
    assert!(super::caller(&reader.follows(&exec)).ends_with(reader.world.run_id()));
    reader.follows(&file);
    let token = std::fs::read_to_string(reader.world.folder.join("token")).unwrap();
    assert_eq!(claims(&token)["aud"], "sts.amazonaws.com");
    assert!(!token.ends_with('\n'));
}

fn evaluate(expression: &str, claims: &Value) -> cel::Value {
    let mut context = cel::Context::default();
    context.add_variable_from_value("claims", cel::to_value(claims).unwrap());
    cel::Program::compile(expression).unwrap().execute(&context).unwrap()
}
