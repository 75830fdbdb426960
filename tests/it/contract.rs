//! The documents match the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use runmint::config::setting::SETTINGS;
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

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let readme = read("README.md");
    let rows: BTreeMap<&str, &str> =
        readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
    for setting in SETTINGS {
        let row =
            rows.get(setting.name).unwrap_or_else(|| panic!("README.md has no row for `{}`", setting.name));
        assert!(
            row.contains(setting.default),
            "README.md: `{}` has default `{}`",
            setting.name,
            setting.default
        );
    }
    let example = read("runmint.example.toml");
    for setting in SETTINGS {
        assert!(example.contains(setting.name), "runmint.example.toml has no `{}`", setting.name);
    }
}
