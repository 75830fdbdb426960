//! The policies in docs/trust/ can be saved as printed and let no strangers in.

use std::fs;
use std::path::Path;

use indexmap::IndexMap;
use runmint::issuer::service::{ScopeRule, Services};
use runmint::trust::lint::{Severity, lint};
use runmint::trust::policy::saving::check_for_saving;
use runmint::trust::policy::{PolicyDocument, parse_policies};
use serde::Deserialize;

/// Each page, its issuer, and its number of policy blocks.
const PAGES: &[(&str, &str, usize)] = &[
    ("README.md", "https://token.actions.githubusercontent.com", 2),
    ("github.md", "https://token.actions.githubusercontent.com", 1),
    ("gitlab.md", "https://gitlab.com", 1),
    ("kubernetes.md", "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF", 1),
    ("azure-devops.md", "https://vstoken.dev.azure.com/6c3d1f0e-7a52-4b7e-9b0f-2d1c5a8e4f30", 1),
    ("circleci.md", "https://oidc.circleci.com/org/7f284328-8d7b-4a8e-a7a7-d09b45ff8a1b", 1),
    ("buildkite.md", "https://agent.buildkite.com", 1),
    ("another-runmint.md", "https://id.sub.example/oidc", 1),
    ("troubleshooting.md", "https://id.example", 0),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    policies: Vec<PolicyDocument>,
}

#[test]
fn the_policies_on_every_page_can_be_saved_and_admit_no_strangers() {
    let services = Services::new("runmint", ScopeRule::ByOperation, &IndexMap::new()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trust");
    for (page, issuer, blocks) in PAGES {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        let bodies = json_blocks(&text);
        assert_eq!(bodies.len(), *blocks, "{page}");
        for body in bodies {
            let body: Body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{page}: {error}"));
            let policies = parse_policies(body.policies).unwrap_or_else(|error| panic!("{page}: {error}"));
            check_for_saving(&policies, |service| Some(services.named(service)?.subject_attributes()))
                .unwrap_or_else(|error| panic!("{page}: {error}"));
            let strangers =
                lint(&policies, issuer).into_iter().find(|finding| finding.severity == Severity::Refuse);
            assert!(strangers.is_none(), "{page}: {strangers:?}");
        }
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), PAGES.len(), "each page is looked at");
}

/// The contents of each ```` ```json ```` block.
fn json_blocks(text: &str) -> Vec<&str> {
    let after = text.split("\n```json\n").skip(1);
    after.map(|rest| rest.split_once("\n```\n").map_or(rest, |(block, _)| block)).collect()
}
