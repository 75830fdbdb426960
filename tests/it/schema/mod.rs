//! openapi.yaml describes the types that go over the wire, member by member and in both directions. Which types an
//! operation takes and answers follows from the signature of its handler.

mod comparison;
mod differences;
mod shape;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runmint::api::oauth::ExchangeRefusal;
use runmint::api::problem::Problem;
use runmint::http::contract::{SchemaOf, schema_of};
use runmint::http::router::{Route, issuer_routes, routes};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use comparison::{Comparison, Direction};

/// The contract beside the schemas of the types.
struct Contract {
    openapi: Value,
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    comparison: Comparison,
}

impl Contract {
    fn new() -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.yaml")).unwrap();
        let settings = SchemaSettings::draft2020_12;
        Self {
            openapi: serde_saphyr::from_str(&text).unwrap(),
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
            comparison: Comparison::default(),
        }
    }

    fn compare_request(&mut self, place: &str, documented: &Value, schema_of: SchemaOf) {
        let typed = schema_of(&mut self.requests).to_value();
        self.compare(place, Direction::Request, documented, &typed);
    }

    fn compare_answer(&mut self, place: &str, documented: &Value, schema_of: SchemaOf) {
        let typed = schema_of(&mut self.answers).to_value();
        self.compare(place, Direction::Answer, documented, &typed);
    }

    fn compare(&mut self, place: &str, direction: Direction, documented: &Value, typed: &Value) {
        let generator = if direction == Direction::Request { &self.requests } else { &self.answers };
        let definitions = json!({"$defs": generator.definitions()});
        self.comparison.compare(place, direction, (&self.openapi, documented), (&definitions, typed));
    }

    fn differ(&mut self, place: &str, what: &str) {
        self.comparison.differences.push(format!("{place}: {what}"));
    }

    /// The responses of an operation by status, with references followed.
    fn responses(&self, operation: &Value) -> BTreeMap<u16, Value> {
        let responses = operation["responses"].as_object().unwrap();
        responses
            .iter()
            .map(|(status, response)| {
                (status.parse().unwrap(), shape::resolve(&self.openapi, response).clone())
            })
            .collect()
    }
}

/// The routes with the paths of openapi.yaml.
fn all_routes() -> Vec<(String, Route)> {
    let of_issuer = issuer_routes().into_iter().map(|route| (format!("/oidc{}", route.path), route));
    of_issuer.chain(routes().into_iter().map(|route| (route.path.to_owned(), route))).collect()
}

fn json_of(response: &Value) -> Option<Value> {
    response["content"]["application/json"].get("schema").cloned()
}

fn check_request(contract: &mut Contract, place: &str, operation: &Value, route: &Route) {
    let body = shape::resolve(&contract.openapi, &operation["requestBody"]).clone();
    let contents = body["content"].as_object();
    match (contents, route.contract.request) {
        (None, None) => {}
        (Some(contents), Some(schema_of)) => {
            for (media_type, content) in contents {
                contract.compare_request(&format!("{place} {media_type}"), &content["schema"], schema_of);
            }
        }
        (documented, _) => {
            let documented = if documented.is_some() { "documented only" } else { "not documented" };
            contract.differ(place, &format!("a request body is {documented}"));
        }
    }
}

fn check_answers(contract: &mut Contract, place: &str, operation: &Value, route: &Route) {
    let mut documented = contract.responses(operation);
    for (status, schema_of) in &route.contract.answers {
        let place = format!("{place} {}", status.as_u16());
        let Some(response) = documented.remove(&status.as_u16()) else {
            contract.differ(&place, "not documented");
            continue;
        };
        match (json_of(&response), schema_of) {
            (None, None) => {}
            (Some(schema), Some(schema_of)) => contract.compare_answer(&place, &schema, *schema_of),
            (Some(_), None) => contract.differ(&place, "documented as JSON, and the handler answers none"),
            (None, Some(_)) => contract.differ(&place, "not documented as JSON"),
        }
    }
    for (status, response) in documented {
        check_refusal(contract, &format!("{place} {status}"), status, &response);
    }
}

/// What remains are refusals, and 304.
fn check_refusal(contract: &mut Contract, place: &str, status: u16, response: &Value) {
    match status {
        304 => {}
        400.. => {
            let problem = response["content"]["application/problem+json"].get("schema").cloned();
            let refusal = json_of(response);
            if problem.is_none() && refusal.is_none() {
                contract.differ(place, "a refusal without a document");
            }
            if let Some(schema) = problem {
                contract.compare_answer(place, &schema, schema_of::<Problem>);
            }
            if let Some(schema) = refusal {
                contract.compare_answer(place, &schema, schema_of::<ExchangeRefusal>);
            }
        }
        _ => contract.differ(place, "documented, and the handler does not answer it"),
    }
}

#[test]
fn openapi_describes_the_types_of_every_operation() {
    let mut contract = Contract::new();
    let paths = contract.openapi["paths"].clone();
    let routes = all_routes();
    let operation_of =
        |path: &str, route: &Route| (format!("{} {path}", route.method), paths[path][route.method].clone());
    // Requests first: an answer may refer to what was compared there.
    for (path, route) in &routes {
        let (place, operation) = operation_of(path, route);
        assert!(operation.is_object(), "openapi.yaml does not document {place}");
        check_request(&mut contract, &place, &operation, route);
    }
    for (path, route) in &routes {
        let (place, operation) = operation_of(path, route);
        check_answers(&mut contract, &place, &operation, route);
    }
    let Comparison { differences, members, .. } = contract.comparison;
    assert!(differences.is_empty(), "openapi.yaml and the types differ:\n{}", differences.join("\n"));
    assert!(members > 300, "the test compares members: {members}");
}
