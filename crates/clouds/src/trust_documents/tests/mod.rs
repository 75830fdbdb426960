//! Every kind of document accepts exactly the runs that it was written for.

mod subject_forms;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::aws::AwsTarget;
use super::azure::AzureTarget;
use super::document::TrustDocument;
use super::google::GoogleTarget;
use super::grant::{Grant, GrantError, Scope};
use super::kubernetes::KubernetesTarget;
use super::subject_form::{ASKED_PROJECT, ASKED_STACK, OPERATIONS, SubjectForm};
use super::token::TokenClaims;
use super::vault::VaultTarget;
use super::verdict::Holds;
use runmint_issuer::organization_name::OrganizationName;
use runmint_issuer::service::{Attributes, ScopeRule, Services};
use runmint_issuer::url::IssuerUrl;

const ISSUER: &str = "https://id.example.com/oidc";
const AUDIENCE: &str = "the-audience";

fn claims(org: &str, project: &str, stack: &str, operation: &str) -> Map<String, Value> {
    let services = Services::new("runmint", ScopeRule::default(), &indexmap::IndexMap::new()).unwrap();
    let attributes: Attributes = [("project", project), ("stack", stack), ("operation", operation)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let organization = OrganizationName::parse(org).unwrap();
    let identity = services.identify(services.named("deploy").unwrap(), &organization, &attributes).unwrap();
    let mut claims = identity.claims;
    claims.extend(
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": identity.subject, "org": org, "run_id": "r"})
            .as_object()
            .unwrap()
            .clone(),
    );
    claims
}

fn form() -> SubjectForm {
    SubjectForm::learn(&OPERATIONS.map(|one| (one, claims("acme", ASKED_PROJECT, ASKED_STACK, one)))).unwrap()
}

fn grant(project: Option<&str>, stacks: &[&str], operations: &[&str]) -> Grant {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Grant {
        issuer: IssuerUrl::parse(ISSUER).unwrap(),
        audience: AUDIENCE.to_owned(),
        scope: Scope {
            organization: OrganizationName::parse("acme").unwrap(),
            project: project.map(str::to_owned),
            stacks: owned(stacks),
            operations: owned(operations),
        },
        form: form(),
        other_form: None,
        profile: None,
    }
}

/// The document of each kind with its name; Azure's only if it can express the grant.
fn documents(grant: &Grant) -> Vec<(&'static str, Value)> {
    let aws = AwsTarget {
        account: "111122223333".into(),
        role_name: "r".into(),
        partition: "aws".into(),
        existing_provider: false,
    };
    let google = GoogleTarget {
        project_number: "1".into(),
        pool: "p".into(),
        provider: "q".into(),
        service_account: None,
    };
    let vault = VaultTarget { role_name: "r".into(), mount: "jwt".into(), policies: vec!["p".into()] };
    let kubernetes = KubernetesTarget { username_prefix: "runmint:".into() };
    let azure = AzureTarget { owner: None }.json(grant);
    let mut documents = vec![
        ("aws", aws.json(grant).unwrap()),
        ("google", google.json(grant).unwrap()),
        ("vault", vault.json(grant).unwrap()),
        ("kubernetes", kubernetes.json(grant).unwrap()),
    ];
    match azure {
        Ok(azure) => documents.push(("azure", azure)),
        Err(error) => {
            assert!(matches!(error, GrantError::Open { .. } | GrantError::TooMany { .. }), "{error}");
        }
    }
    documents
}

#[test]
fn terraform_keeps_other_members_of_a_service_account() {
    let google = GoogleTarget {
        project_number: "1".into(),
        pool: "p".into(),
        provider: "q".into(),
        service_account: Some("deploy@p.iam.gserviceaccount.com".into()),
    };
    let text = google.terraform(&grant(Some("web"), &["a", "b"], &["update"])).unwrap();
    assert!(text.contains("google_service_account_iam_member") && !text.contains("_iam_binding"), "{text}");
    assert!(
        text.contains("for_each           = toset([\"principalSet://") && text.contains("each.value"),
        "{text}"
    );
}

/// Names of ordinary and of troublesome characters.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,3}",
        r#"[ab:/%*?$'.\\{}^|+()\[\]"-]{1,6}"#,
        Just("${aws:username}".to_owned()),
        Just("%{if}".to_owned()),
        Just("prod:operation:update".to_owned()),
        "[a-zé語]{1,4}",
    ]
}

fn operation() -> impl Strategy<Value = String> {
    prop::sample::select(OPERATIONS.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_document_accepts_exactly_the_runs_of_its_scope(
        project in name(), stack in name(), operation in operation(),
        other in (name(), name(), operation()),
        fix_stack in any::<bool>(), fix_operation in any::<bool>(),
    ) {
        let stacks: Vec<&str> = fix_stack.then_some(stack.as_str()).into_iter().collect();
        let operations: Vec<&str> = fix_operation.then_some(operation.as_str()).into_iter().collect();
        let grant = grant(Some(&project), &stacks, &operations);
        for (kind, document) in documents(&grant) {
            let found = TrustDocument::recognise(&document).unwrap();
            prop_assert_eq!(found.kind(), kind);
            let accepts = |claims: Map<String, Value>| found.evaluate(&TokenClaims::new(claims)).accepts;
            prop_assert_eq!(accepts(claims("acme", &project, &stack, &operation)), Holds::Yes, "{} {}", kind, document);
            let (other_project, other_stack, other_operation) = &other;
            for (org, project2, stack2, operation2) in [
                ("acme", other_project, &stack, &operation),
                ("acme", &project, other_stack, &operation),
                ("acme", &project, &stack, other_operation),
                ("acme", other_project, other_stack, other_operation),
                ("other", &project, &stack, &operation),
                ("acme-evil", &project, &stack, &operation),
            ] {
                let meant = org == "acme" && *project2 == project
                    && (!fix_stack || *stack2 == stack) && (!fix_operation || *operation2 == operation);
                let expected = Holds::of(meant);
                prop_assert_eq!(accepts(claims(org, project2, stack2, operation2)), expected, "{} {} {} {}", kind, project2, stack2, document);
            }
            let mut of_another = claims("acme", &project, &stack, &operation);
            of_another.insert("aud".into(), "another".into());
            prop_assert_eq!(accepts(of_another), Holds::No, "{}", kind);
            // The configuration of the auth method names the issuer of a Vault role.
            if kind != "vault" {
                let mut by_another = claims("acme", &project, &stack, &operation);
                by_another.insert("iss".into(), "https://id.example.com/orgs/evil/oidc".into());
                prop_assert_eq!(accepts(by_another), Holds::No, "{}", kind);
            }
            let problems: Vec<_> = found.findings().into_iter().filter(|one| one.severity == super::lint::Severity::Problem).collect();
            prop_assert!(problems.is_empty(), "{} {:?} {}", kind, problems, document);
        }
    }
}

#[test]
fn stacks_and_operations_are_combined() {
    let grant = grant(Some("website"), &["prod", "staging"], &["preview", "update"]);
    for (kind, document) in documents(&grant) {
        let found = TrustDocument::recognise(&document).unwrap();
        let accepts = |stack: &str, operation: &str| {
            found.evaluate(&TokenClaims::new(claims("acme", "website", stack, operation))).accepts
                == Holds::Yes
        };
        assert!(accepts("prod", "preview") && accepts("staging", "update"), "{kind}");
        assert!(!accepts("dev", "preview") && !accepts("prod", "destroy"), "{kind}");
    }
}

#[test]
fn azure_needs_every_attribute_and_at_most_twenty_credentials() {
    let azure = AzureTarget { owner: None };
    let open = azure.json(&grant(Some("website"), &["prod"], &[])).unwrap_err();
    assert!(open.to_string().contains("--operation"), "{open}");
    let stacks: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let stacks: Vec<&str> = stacks.iter().map(String::as_str).collect();
    assert_eq!(
        azure.json(&grant(Some("website"), &stacks[..5], &OPERATIONS)).unwrap().as_array().unwrap().len(),
        20
    );
    let many = azure.json(&grant(Some("website"), &stacks, &OPERATIONS)).unwrap_err();
    assert!(many.to_string().starts_with("24 credentials"), "{many}");
}
