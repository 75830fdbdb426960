use serde_json::{Value, json};

use super::*;
use crate::subject::TemplateError;

fn services(prefix: &str, scope: ScopeRule) -> Services {
    Services::new(prefix, scope, &IndexMap::new()).unwrap()
}

fn identify(services: &Services, service: &str, given: &[(&str, &str)]) -> Result<Identity, AttributeError> {
    let attributes = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let organization = OrganizationName::parse("acme").unwrap();
    services.identify(services.named(service).unwrap(), &organization, &attributes)
}

const UPDATE: &[(&str, &str)] = &[("project", "website"), ("stack", "staging"), ("operation", "update")];

#[test]
fn deploy_is_what_pulumi_clouds_deployments_issue() {
    let identity = identify(
        &services("pulumi", ScopeRule::AlwaysWrite),
        "deploy",
        &[("project", "website"), ("stack", "staging"), ("operation", "preview")],
    );
    assert_eq!(
        identity.unwrap().subject,
        "pulumi:deploy:org:acme:project:website:stack:staging:operation:preview:scope:write"
    );
}

#[test]
fn deploy_carries_its_subjects_components_as_claims() {
    let mut given = UPDATE.to_vec();
    given.push(("actor", "alice"));
    let identity = identify(&services("runmint", ScopeRule::ByOperation), "deploy", &given).unwrap();
    assert_eq!(
        Value::Object(identity.claims),
        json!({"project": "website", "stack": "staging", "operation": "update", "scope": "write", "actor": "alice"})
    );
}

#[test]
fn only_a_preview_is_read() {
    for (operation, scope) in
        [("preview", "read"), ("update", "write"), ("refresh", "write"), ("destroy", "write")]
    {
        let given = [("project", "p"), ("stack", "s"), ("operation", operation)];
        let identity = identify(&services("runmint", ScopeRule::ByOperation), "deploy", &given).unwrap();
        assert_eq!(identity.claims["scope"], scope);
        assert!(identity.subject.ends_with(&format!(":operation:{operation}:scope:{scope}")));
    }
}

#[test]
fn an_environment_is_its_own_root_by_default() {
    let services = services("runmint", ScopeRule::ByOperation);
    let given = [("project", "web"), ("environment", "prod")];
    let identity = identify(&services, "environment", &given).unwrap();
    assert_eq!(identity.subject, "runmint:environments:org:acme:env:web/prod");
    assert_eq!(Value::Object(identity.claims), json!({"current_env": "web/prod", "root_env": "web/prod"}));

    let given = [("project", "web"), ("environment", "prod"), ("root_env", "a/b"), ("trigger_user", "bob")];
    let identity = identify(&services, "environment", &given).unwrap();
    assert_eq!(
        Value::Object(identity.claims),
        json!({"current_env": "web/prod", "root_env": "a/b", "trigger_user": "bob"})
    );
}

#[test]
fn a_default_attests_no_value_that_an_orchestrator_may_not() {
    let services = own(
        "[a]\nsubject = '{prefix}:a:org:{org}:env:{env}'\nattributes = { job = {}, env = { values = ['dev'], default = '{job}' } }",
    )
    .unwrap();
    assert!(identify(&services, "a", &[("job", "dev")]).is_ok());
    assert!(matches!(identify(&services, "a", &[("job", "prod")]), Err(AttributeError::NotAllowed { .. })));
}

#[test]
fn claims_made_of_several_values_are_as_unambiguous_as_subjects() {
    let services = services("runmint", ScopeRule::ByOperation);
    let current = |project: &str, environment: &str| {
        let given = [("project", project), ("environment", environment)];
        identify(&services, "environment", &given).unwrap().claims
    };
    assert_eq!(current("web/prod", "x")["current_env"], "web%2Fprod/x");
    assert_eq!(current("web/prod", "x")["root_env"], "web%2Fprod/x");
    assert_eq!(current("web", "prod/x")["current_env"], "web/prod%2Fx");
}

#[test]
fn refuses_attributes_that_the_service_does_not_declare_or_allow() {
    let services = services("runmint", ScopeRule::ByOperation);
    let error = |name: &str, value: &str| {
        let mut given = UPDATE.to_vec();
        given.retain(|(one, _)| *one != name);
        given.push((name, value));
        identify(&services, "deploy", &given).unwrap_err()
    };
    let allowed = "preview, update, refresh, destroy".to_owned();
    assert_eq!(
        error("operation", "Update"),
        AttributeError::NotAllowed { name: "operation".into(), allowed, found: "Update".into() }
    );
    assert!(matches!(error("scope", "read"), AttributeError::Unknown { .. }));
    assert!(matches!(error("org", "other"), AttributeError::Unknown { .. }));
    assert!(matches!(error("prefix", "other"), AttributeError::Unknown { .. }));
    assert_eq!(error("stack", ""), AttributeError::Empty("stack".into()));
    assert_eq!(error("stack", " x"), AttributeError::WhiteSpace("stack".into()));
    let long = "x".repeat(256);
    assert_eq!(error("stack", &long), AttributeError::TooLong { name: "stack".into(), bytes: 256 });
    assert_eq!(
        identify(&services, "deploy", &UPDATE[..2]).unwrap_err(),
        AttributeError::Missing("operation".into())
    );
}

fn own(toml: &str) -> Result<Services, ServiceError> {
    let own = toml::from_str(toml).unwrap();
    Services::new("runmint", ScopeRule::ByOperation, &own).map_err(|(_, error)| error)
}

#[test]
fn an_operators_service_needs_no_more_than_a_subject_and_attributes() {
    let services = own(
        "[nightly]\nsubject = '{prefix}:nightly:org:{org}:job:{job}'\nattributes = { job = {}, note = { required = false } }",
    );
    let identity = identify(&services.unwrap(), "nightly", &[("job", "backup:1")]).unwrap();
    assert_eq!(identity.subject, "runmint:nightly:org:acme:job:backup%3A1");
    assert_eq!(Value::Object(identity.claims), json!({"job": "backup:1"}));
}

#[test]
fn refuses_services_that_could_impersonate_or_confuse() {
    use ServiceError::*;
    let subject = |text: &str| {
        own(&format!("[a]\nsubject = '{text}'\nattributes = {{ x = {{}}, y = {{ required = false }} }}"))
            .unwrap_err()
    };
    assert_eq!(subject("{prefix}:a:{x}"), SubjectWithoutOrganization);
    assert_eq!(subject("{prefix}:{org}:{x}"), SubjectStart);
    assert_eq!(subject("{prefix}:A:{org}:{x}"), SubjectStart);
    assert_eq!(subject("{prefix}:a:org:victim:x:{org}:{x}"), OrganizationTwice);
    let both = "[a]\nsubject = '{prefix}:a:{org}'\nattributes = { x = {} }\nderived = { x = { from = 'x', otherwise = 'y' } }";
    assert_eq!(own(both).unwrap_err(), AttributeAndDerived("x".into()));
    assert_eq!(subject("a:{org}:{x}"), SubjectStart);
    assert_eq!(
        subject("{prefix}:deploy:{org}:{x}"),
        SubjectTaken { word: "deploy".into(), other: "deploy".into() }
    );
    assert_eq!(subject("{prefix}:a:{org}:{y}"), Optional("y".into()));
    assert_eq!(subject("{prefix}:a:{org}:{z}"), Unknown("z".into()));
    assert_eq!(subject("{prefix}:a:{org}{x}"), Subject(TemplateError::Ambiguous("org".into())));

    let claim = |name: &str| {
        own(&format!(
            "[a]\nsubject = '{{prefix}}:a:{{org}}'\nattributes = {{ x = {{}} }}\nclaims = {{ '{name}' = '{{x}}' }}"
        ))
    };
    for reserved in
        ["sub", "aud", "run_id", "cnf", "https://aws.amazon.com/tags", "https://sts.amazonaws.com/x"]
    {
        assert_eq!(claim(reserved).unwrap_err(), Reserved(reserved.into()));
    }
    for bad in ["Sub", "ѕub", "s ub", "", "https://x"] {
        assert_eq!(claim(bad).unwrap_err(), ClaimName(bad.into()));
    }
    assert!(claim("https://example.com/job").is_ok());
    assert_eq!(own("[deploy]\nsubject = 'x'\nattributes = {}").unwrap_err(), BuiltIn("deploy".into()));
}
