//! openapi.yaml matches the router.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use runmint::http::router::routes;
use runmint::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// openapi.yaml is written by hand with fixed indentation: paths at two spaces, methods at four.
fn documented_routes() -> BTreeSet<(String, String)> {
    let mut documented = BTreeSet::new();
    let text = read("openapi.yaml");
    let mut path = String::new();
    for line in text.lines().skip_while(|line| *line != "paths:").skip(1) {
        if !line.starts_with(' ') && !line.is_empty() && !line.starts_with('#') {
            break;
        }
        let indentation = line.len() - line.trim_start().len();
        let Some(name) = line.trim().strip_suffix(':') else { continue };
        match indentation {
            2 => name.clone_into(&mut path),
            4 if ["get", "head", "post", "put", "patch", "delete"].contains(&name) => {
                documented.insert((name.to_owned(), path.clone()));
            }
            _ => {}
        }
    }
    documented
}

#[test]
fn openapi_documents_exactly_the_served_routes() {
    let mut served: BTreeSet<(String, String)> =
        routes().into_iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    for path in [CONFIGURATION_PATH, JWKS_PATH] {
        for method in ["get", "head"] {
            served.insert((method.to_owned(), format!("/oidc{path}")));
        }
    }
    assert_eq!(documented_routes(), served);
}
