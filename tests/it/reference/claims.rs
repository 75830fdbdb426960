//! The claims page against the definitions of the built-in services, and against minted tokens.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use runmint::issuer::claims::COMMON_CLAIMS;
use serde_json::{Map, Value, json};

use super::{code, page, rows, section, uncoded};
use crate::harness::{Engine, TestApp};

#[test]
fn the_claims_page_describes_the_built_in_services() {
    let text = page("claims.md");
    let everywhere: Vec<_> = rows(section(&text, "## In every token"), "Claim");
    assert_eq!(everywhere.iter().map(|row| uncoded(&row[0])).collect::<Vec<_>>(), COMMON_CLAIMS);

    let services = section(&text, "## Services");
    let definitions: toml::Table =
        toml::from_str(include_str!("../../../crates/issuer/src/builtin_services.toml")).unwrap();
    let headings: Vec<_> = services.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, definitions.keys().collect::<Vec<_>>());
    for (name, definition) in &definitions {
        let described = section(services, &format!("### {name}"));
        let subject = format!("\nSubject: `{}`\n", definition["subject"].as_str().unwrap());
        assert!(described.contains(&subject), "{name}: {subject}");

        let attributes = definition["attributes"].as_table().unwrap().iter();
        let attributes: Vec<_> = attributes.map(|(name, one)| attribute_row(name, one)).collect();
        assert_eq!(rows(described, "Attribute"), attributes, "{name}");

        let claims = definition["claims"].as_table().unwrap().iter();
        let claims: Vec<_> = claims
            .map(|(name, value)| vec![format!("`{name}`"), format!("`{}`", value.as_str().unwrap())])
            .collect();
        assert_eq!(rows(described, "Claim"), claims, "{name}");
    }
}

fn attribute_row(name: &str, definition: &toml::Value) -> Vec<String> {
    let optional = definition.get("required").is_some() || definition.get("default").is_some();
    let values = match (definition.get("values"), definition.get("default")) {
        (Some(values), _) => {
            let values = values.as_array().unwrap().iter();
            values.map(|value| format!("`{}`", value.as_str().unwrap())).collect::<Vec<_>>().join(", ")
        }
        (_, Some(default)) => format!("any; defaults to `{}`", default.as_str().unwrap()),
        _ => "any".to_owned(),
    };
    vec![format!("`{name}`"), if optional { "no" } else { "yes" }.to_owned(), values]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minted_token_has_the_claims_on_the_claims_page() {
    let app = TestApp::start(Engine::Sqlite).await;
    let text = page("claims.md");
    let names = |text: &str, title: &str| -> BTreeSet<String> {
        rows(text, title).iter().map(|row| uncoded(&row[0])).collect()
    };
    let mut everywhere = names(section(&text, "## In every token"), "Claim");
    everywhere.remove("act");
    for service in section(&text, "## Services").lines().filter_map(|line| line.strip_prefix("### ")) {
        let described = section(&text, &format!("### {service}"));
        let attributes: Map<String, Value> = names(described, "Attribute")
            .into_iter()
            .map(|name| (name.clone(), json!(if name == "operation" { "preview" } else { "x" })))
            .collect();
        let token = minted(&app, service, attributes).await;
        assert_eq!(members(&token[0]), names(&text, "Member"));
        assert_eq!(members(&token[1]), &everywhere | &names(described, "Claim"), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_are_encoded_as_the_claims_page_shows() {
    let app = TestApp::start(Engine::Sqlite).await;
    let text = page("claims.md");
    let examples = rows(section(&text, "## Encoding"), "Service");
    assert_eq!(examples.len(), 2);
    for row in examples {
        let service = uncoded(&row[0]);
        let mut attributes: Map<String, Value> = code(&row[1])
            .into_iter()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        if service == "deploy" {
            attributes.insert("operation".to_owned(), "update".into());
        }
        let [_, claims] = minted(&app, &service, attributes).await;
        let subject = claims["sub"].as_str().unwrap();
        assert!(subject.contains(&uncoded(&row[2])), "{subject}");
    }
}

/// Header and payload of a token of a new run.
async fn minted(app: &TestApp, service: &str, attributes: Map<String, Value>) -> [Value; 2] {
    let run = app.start_run(&json!({"service": service, "attributes": attributes})).await;
    let token = app.mint(&run, "").await;
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

fn members(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}
