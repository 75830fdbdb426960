//! The endpoints page against the router, the table of roles and openapi.yaml.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use runmint::http::router::routes;
use runmint::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};
use serde_json::{Value, json};

use super::{code, page, root, rows};
use crate::authorization;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
const ROLES: [&str; 4] = ["viewer", "orchestrator", "owner", "admin"];

type Operation = (String, String, String);

fn operation(method: &str, path: &str, needs: &str) -> Operation {
    (method.to_owned(), path.to_owned(), needs.to_owned())
}

#[test]
fn the_endpoints_page_lists_every_route_with_the_role_it_needs() {
    let listed = listed_operations();
    assert_eq!(listed, served_operations(), "docs/reference/endpoints.md and the router");
    assert_eq!(listed, openapi_operations(), "docs/reference/endpoints.md and openapi.yaml");
}

fn listed_operations() -> BTreeSet<Operation> {
    let text = page("endpoints.md");
    let mut operations = BTreeSet::new();
    for row in rows(&text, "Method") {
        for method in code(&row[0]) {
            let operation = operation(&method.to_lowercase(), code(&row[1])[0], &row[2]);
            assert!(operations.insert(operation), "{row:?} is listed twice");
        }
    }
    operations
}

/// `authorization::TABLE` is itself compared with the answers of a running server.
fn served_operations() -> BTreeSet<Operation> {
    let statuses: BTreeMap<_, _> =
        authorization::TABLE.iter().map(|(method, path, statuses)| ((*method, *path), statuses)).collect();
    let mut operations: BTreeSet<Operation> = routes()
        .iter()
        .map(|route| operation(route.method, route.path, needed(statuses[&(route.method, route.path)])))
        .collect();
    for path in [CONFIGURATION_PATH, JWKS_PATH] {
        for method in ["get", "head"] {
            operations.insert(operation(method, &format!("{{issuer}}{path}"), "nothing"));
        }
    }
    operations
}

fn needed(statuses: &[u16; 7]) -> &'static str {
    let let_in = statuses.map(|status| ![401, 403].contains(&status));
    match let_in {
        [true, ..] => "nothing",
        [_, true, ..] => "the run's request token",
        // Another organization's owner gets 404 unless any token will do.
        [_, _, true, ..] if statuses[5] != 404 => "any access token",
        [_, _, true, ..] => "viewer",
        [_, _, _, true, ..] => "orchestrator",
        [_, _, _, _, true, ..] => "owner",
        _ => "admin",
    }
}

fn openapi_operations() -> BTreeSet<Operation> {
    let text = fs::read_to_string(root().join("openapi.yaml")).unwrap();
    let contract: Value = serde_saphyr::from_str(&text).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/oidc").map_or(path.clone(), |rest| format!("{{issuer}}{rest}"));
        for (method, described) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                let security = described.get("security").unwrap_or(&contract["security"]);
                let needs = needed_by_contract(security, described["description"].as_str().unwrap_or(""));
                operations.insert(operation(method, &path, needs));
            }
        }
    }
    operations
}

fn needed_by_contract(security: &Value, description: &str) -> &'static str {
    if *security == json!([]) {
        return "nothing";
    }
    if security[0]["requestToken"].is_array() {
        return "the run's request token";
    }
    let words: Vec<&str> =
        description.split_whitespace().map(|word| word.trim_end_matches(['.', ','])).collect();
    let role_in = |pair: &[&str]| match pair {
        ["role", role] | [role, "role"] => ROLES.into_iter().find(|known| known == role),
        _ => None,
    };
    // A description names the least role first.
    words.windows(2).find_map(role_in).unwrap_or_else(|| {
        assert!(
            words.join(" ").contains("any valid access token"),
            "the description names no role: {description}"
        );
        "any access token"
    })
}
