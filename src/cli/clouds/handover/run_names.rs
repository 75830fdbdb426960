//! The names of a run, from the claims of its tokens.

use serde_json::{Map, Value};

use crate::clock::{Clock, SystemClock};
use crate::clouds::session_name::RunNames;
use crate::entropy::{SystemEntropy, uuid_at};

/// Reads the claims of a token; takes `run_id` if the claims have none. A token of another issuer has neither: then
/// an id is generated, because no two runs may share one.
pub(in crate::cli) fn run_names(claims: &Map<String, Value>, run_id: Option<&str>) -> RunNames {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let either = |one: &str, other: &str| if claims.contains_key(one) { claim(one) } else { claim(other) };
    let id = claim("run_id");
    let id = if id.is_empty() { run_id.unwrap_or_default().to_owned() } else { id };
    RunNames {
        names: vec![claim("org"), claim("project"), either("stack", "current_env")],
        operation: claim("operation"),
        id: if id.is_empty() { uuid_at(SystemClock.now(), &SystemEntropy::new()).to_string() } else { id },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_come_from_the_claims_and_the_id_from_claims_or_environment() {
        let claims =
            json!({"org": "acme", "project": "web", "stack": "prod", "operation": "update", "run_id": "1"});
        let names = run_names(claims.as_object().unwrap(), Some("2"));
        assert_eq!(names.names, ["acme", "web", "prod"]);
        assert_eq!((names.operation.as_str(), names.id.as_str()), ("update", "1"));
        assert_eq!(run_names(&Map::new(), Some("2")).id, "2");
        assert_ne!(run_names(&Map::new(), None).id, run_names(&Map::new(), None).id);
        let environment = json!({"org": "acme", "current_env": "web/prod"});
        assert_eq!(run_names(environment.as_object().unwrap(), None).names, ["acme", "", "web/prod"]);
    }
}
