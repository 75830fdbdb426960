//! Services: the kinds of run. Each declares the attributes that a run carries, its subject and its
//! claims. The built-in ones and the operator's are written and checked the same way.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::issuer::organization_name::OrganizationName;
use crate::issuer::subject::{SubjectTemplate, TemplateError, is_attribute_name};

pub const MAX_ATTRIBUTES: usize = 32;
pub const MAX_ATTRIBUTE_BYTES: usize = 255;

/// Claims that only the issuer itself sets: RFC 7519 §4.1, RFC 7800, RFC 8693 §4.1 and OpenID Connect
/// Core 1.0 §2, and what every run carries.
const RESERVED_CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "act",
    "may_act",
    "cnf",
    "nonce",
    "amr",
    "acr",
    "auth_time",
    "at_hash",
    "c_hash",
    "org",
    "org_id",
    "run_id",
    "client_id",
    "events",
    "sid",
];

/// A service as it stands in a configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Template over `{prefix}`, `{org}`, the attributes and the derived values.
    subject: String,
    attributes: IndexMap<String, AttributeDefinition>,
    #[serde(default)]
    derived: IndexMap<String, DerivedDefinition>,
    /// Claim → template. When absent, every attribute and derived value is a claim of its own name.
    claims: Option<IndexMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeDefinition {
    required: Option<bool>,
    /// The only values accepted.
    values: Option<Vec<String>>,
    /// Template over the other attributes, taken when the orchestrator gives no value.
    default: Option<String>,
}

/// A value that follows from an attribute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DerivedDefinition {
    from: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
    otherwise: String,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ServiceError {
    #[error("service names are lower-case letters, digits and underscores: `{0}`")]
    Name(String),
    #[error("`{0}` is built in; choose another name")]
    BuiltIn(String),
    #[error("subject: {0}")]
    Subject(TemplateError),
    #[error(
        "subject: must begin with `{{prefix}}:<word>:`, where no other service uses <word>, or two services could speak of the same subject"
    )]
    SubjectStart,
    #[error("subject: begins with `{{prefix}}:{word}:` like service `{other}`")]
    SubjectTaken { word: String, other: String },
    #[error("subject: must contain `{{org}}`, or one organization could take the identity of another's runs")]
    SubjectWithoutOrganization,
    #[error("`{{{0}}}` is neither an attribute nor derived")]
    Unknown(String),
    #[error("`{{{0}}}` is in the subject and must therefore be required, or have a default")]
    Optional(String),
    #[error("`{0}` is no attribute name: lower-case letters, digits and underscores")]
    AttributeName(String),
    #[error("`{0}` is set by the issuer itself")]
    Reserved(String),
    #[error("claim `{0}`: a name is lower-case letters, digits and underscores, or an https URL of your own")]
    ClaimName(String),
    #[error("claim or default `{0}`: {1}")]
    Template(String, TemplateError),
    #[error("attribute `{0}`: `required` and `default` exclude each other")]
    RequiredAndDefault(String),
    #[error("a service has at most {MAX_ATTRIBUTES} attributes")]
    TooMany,
}

/// Why a run's attributes were refused. Every one names the attribute and what would do.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AttributeError {
    #[error("attribute `{0}` is missing")]
    Missing(String),
    #[error("attribute `{name}` is not one of this service's: {known}")]
    Unknown { name: String, known: String },
    #[error("attribute `{0}` is empty")]
    Empty(String),
    #[error("attribute `{name}` has {bytes} bytes; at most {MAX_ATTRIBUTE_BYTES} are accepted")]
    TooLong { name: String, bytes: usize },
    #[error("attribute `{0}` has white space at its beginning or end")]
    WhiteSpace(String),
    #[error("attribute `{name}` is one of {allowed}, not `{found}`")]
    NotAllowed { name: String, allowed: String, found: String },
}

/// What the orchestrator attested, checked against its service.
pub type Attributes = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub struct Service {
    subject: SubjectTemplate,
    attributes: IndexMap<String, AttributeDefinition>,
    defaults: Vec<(String, Text)>,
    derived: IndexMap<String, DerivedDefinition>,
    claims: Vec<(String, Text)>,
}

/// A run's identity before it has an id: what it is called and what its tokens say beside that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    pub claims: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Services {
    prefix: String,
    by_name: BTreeMap<String, Service>,
}

/// How `scope` of `deploy` is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeRule {
    /// `read` for a preview, `write` for the rest.
    #[default]
    ByOperation,
    /// `write` always, as Pulumi Cloud does.
    AlwaysWrite,
}

impl Services {
    /// The built-in services and the operator's `own`; the error names the service it is about.
    pub fn new(
        prefix: &str,
        scope: ScopeRule,
        own: &IndexMap<String, ServiceDefinition>,
    ) -> Result<Self, (String, ServiceError)> {
        let mut definitions = built_in();
        if scope == ScopeRule::AlwaysWrite
            && let Some(derived) =
                definitions.get_mut("deploy").and_then(|deploy| deploy.derived.get_mut("scope"))
        {
            derived.values.clear();
        }
        for (name, definition) in own {
            if !is_attribute_name(name) {
                return Err((name.clone(), ServiceError::Name(name.clone())));
            }
            if definitions.insert(name.clone(), definition.clone()).is_some() {
                return Err((name.clone(), ServiceError::BuiltIn(name.clone())));
            }
        }
        let mut by_name = BTreeMap::new();
        let mut words = BTreeMap::<String, String>::new();
        for (name, definition) in definitions {
            let compiled = Service::compile(definition).and_then(|service| {
                let word = service.subject_word()?;
                match words.insert(word.clone(), name.clone()) {
                    Some(other) => Err(ServiceError::SubjectTaken { word, other }),
                    None => Ok(service),
                }
            });
            by_name.insert(name.clone(), compiled.map_err(|error| (name, error))?);
        }
        Ok(Self { prefix: prefix.to_owned(), by_name })
    }

    pub fn named(&self, name: &str) -> Option<&Service> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Every claim that some service's tokens may carry beside the registered ones.
    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (claim, _) in self.by_name.values().flat_map(|service| &service.claims) {
            if !names.contains(&claim.as_str()) {
                names.push(claim);
            }
        }
        names
    }

    /// The identity of a run of `service` with these attributes.
    pub fn identify(
        &self,
        service: &Service,
        organization: &OrganizationName,
        attributes: &Attributes,
    ) -> Result<Identity, AttributeError> {
        let mut values = service.check(attributes)?;
        values.insert("prefix".to_owned(), self.prefix.clone());
        values.insert("org".to_owned(), organization.as_str().to_owned());
        service.identify(&values)
    }
}

fn built_in() -> IndexMap<String, ServiceDefinition> {
    toml::from_str(include_str!("builtin_services.toml")).expect("the built-in services parse")
}

impl Service {
    fn compile(definition: ServiceDefinition) -> Result<Self, ServiceError> {
        let ServiceDefinition { subject, attributes, derived, claims } = definition;
        if attributes.len() + derived.len() > MAX_ATTRIBUTES {
            return Err(ServiceError::TooMany);
        }
        for name in attributes.keys().chain(derived.keys()) {
            if !is_attribute_name(name) {
                return Err(ServiceError::AttributeName(name.clone()));
            }
            if matches!(name.as_str(), "prefix" | "org") {
                return Err(ServiceError::Reserved(name.clone()));
            }
        }
        let mut defaults = Vec::new();
        for (name, attribute) in &attributes {
            let Some(default) = &attribute.default else { continue };
            if attribute.required.is_some() {
                return Err(ServiceError::RequiredAndDefault(name.clone()));
            }
            defaults.push((name.clone(), Text::parse(name, default)?));
        }
        let claims = claims.unwrap_or_else(|| {
            attributes
                .keys()
                .chain(derived.keys())
                .map(|name| (name.clone(), format!("{{{name}}}")))
                .collect()
        });
        let claims = claims
            .into_iter()
            .map(|(claim, template)| {
                check_claim_name(&claim)?;
                Ok((claim.clone(), Text::parse(&claim, &template)?))
            })
            .collect::<Result<Vec<_>, ServiceError>>()?;
        let subject = SubjectTemplate::parse(&subject).map_err(ServiceError::Subject)?;
        let service = Self { subject, attributes, defaults, derived, claims };
        service.check_names()?;
        Ok(service)
    }

    fn check_names(&self) -> Result<(), ServiceError> {
        let texts = self.defaults.iter().chain(&self.claims).flat_map(|(_, text)| text.names());
        for name in self.subject.names().chain(texts) {
            let known = matches!(name, "prefix" | "org")
                || self.attributes.contains_key(name)
                || self.derived.contains_key(name);
            if !known {
                return Err(ServiceError::Unknown(name.to_owned()));
            }
        }
        for name in self.defaults.iter().flat_map(|(_, text)| text.names()) {
            // One round of defaults, so that their order cannot matter.
            if !self.attributes.get(name).is_some_and(AttributeDefinition::is_required) {
                return Err(ServiceError::Optional(name.to_owned()));
            }
        }
        for derived in self.derived.values() {
            match self.attributes.get(&derived.from) {
                Some(attribute) if attribute.is_required() => {}
                Some(_) => return Err(ServiceError::Optional(derived.from.clone())),
                None => return Err(ServiceError::Unknown(derived.from.clone())),
            }
        }
        for name in self.subject.names() {
            if self.attributes.get(name).is_some_and(AttributeDefinition::may_be_absent) {
                return Err(ServiceError::Optional(name.to_owned()));
            }
        }
        if !self.subject.names().any(|name| name == "org") {
            return Err(ServiceError::SubjectWithoutOrganization);
        }
        Ok(())
    }

    /// The word that tells this service's subjects from every other service's.
    fn subject_word(&self) -> Result<String, ServiceError> {
        if self.subject.names().next() != Some("prefix") || !self.subject.leading_literal().is_empty() {
            return Err(ServiceError::SubjectStart);
        }
        let word = self.subject.second_literal().strip_prefix(':').and_then(|rest| rest.split_once(':'));
        match word {
            Some((word, _)) if !word.is_empty() && !word.contains('/') => Ok(word.to_owned()),
            _ => Err(ServiceError::SubjectStart),
        }
    }

    /// All values by name, defaults and derived ones included.
    fn check(&self, given: &Attributes) -> Result<Attributes, AttributeError> {
        for (name, value) in given {
            let Some(attribute) = self.attributes.get(name) else {
                return Err(AttributeError::Unknown { name: name.clone(), known: self.known() });
            };
            attribute.check(name, value)?;
        }
        let mut values = given.clone();
        for (name, attribute) in &self.attributes {
            if attribute.is_required() && !given.contains_key(name) {
                return Err(AttributeError::Missing(name.clone()));
            }
        }
        for (name, default) in &self.defaults {
            if !given.contains_key(name)
                && let Some(value) = default.render(&values)
            {
                values.insert(name.clone(), value);
            }
        }
        for (name, derived) in &self.derived {
            let value = values.get(&derived.from).and_then(|from| derived.values.get(from));
            values.insert(name.clone(), value.unwrap_or(&derived.otherwise).clone());
        }
        Ok(values)
    }

    fn identify(&self, values: &Attributes) -> Result<Identity, AttributeError> {
        let subject = self.subject.render(|name| values.get(name).map(String::as_str)).ok_or_else(|| {
            let absent = self.subject.names().find(|name| !values.contains_key(*name));
            AttributeError::Missing(absent.unwrap_or_default().to_owned())
        })?;
        let claims = self
            .claims
            .iter()
            .filter_map(|(claim, text)| Some((claim.clone(), Value::String(text.render(values)?))))
            .collect();
        Ok(Identity { subject, claims })
    }

    fn known(&self) -> String {
        self.attributes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl AttributeDefinition {
    fn is_required(&self) -> bool {
        self.default.is_none() && self.required.unwrap_or(true)
    }

    fn may_be_absent(&self) -> bool {
        self.default.is_none() && !self.is_required()
    }

    fn check(&self, name: &str, value: &str) -> Result<(), AttributeError> {
        if value.is_empty() {
            return Err(AttributeError::Empty(name.to_owned()));
        }
        if value.len() > MAX_ATTRIBUTE_BYTES {
            return Err(AttributeError::TooLong { name: name.to_owned(), bytes: value.len() });
        }
        if value.trim() != value {
            return Err(AttributeError::WhiteSpace(name.to_owned()));
        }
        match &self.values {
            Some(allowed) if !allowed.iter().any(|one| one == value) => Err(AttributeError::NotAllowed {
                name: name.to_owned(),
                allowed: allowed.join(", "),
                found: value.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

fn check_claim_name(claim: &str) -> Result<(), ServiceError> {
    if let Some(url) = claim.strip_prefix("https://") {
        // AWS gives these claims powers of their own: session tags, roles, source identity.
        let host = url.split('/').next().unwrap_or_default();
        let amazon =
            host == "amazon.com" || host.ends_with(".amazon.com") || host.ends_with(".amazonaws.com");
        let plain =
            url.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._~/".contains(&b));
        return match (plain && url.contains('/'), amazon) {
            (true, false) => Ok(()),
            (_, true) => Err(ServiceError::Reserved(claim.to_owned())),
            (false, _) => Err(ServiceError::ClaimName(claim.to_owned())),
        };
    }
    if !is_attribute_name(claim) {
        return Err(ServiceError::ClaimName(claim.to_owned()));
    }
    if RESERVED_CLAIMS.contains(&claim) {
        return Err(ServiceError::Reserved(claim.to_owned()));
    }
    Ok(())
}

/// Text with `{name}` in it, rendered without any encoding: claims carry what was attested.
#[derive(Clone, Debug)]
struct Text(Vec<Result<String, String>>);

impl Text {
    fn parse(of: &str, template: &str) -> Result<Self, ServiceError> {
        let fault = |error| ServiceError::Template(of.to_owned(), error);
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| fault(TemplateError::Brace))?;
            if !is_attribute_name(name) {
                return Err(fault(TemplateError::Name(name.to_owned())));
            }
            parts.extend([Ok(literal.to_owned()), Err(name.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return Err(fault(TemplateError::Brace));
        }
        parts.push(Ok(rest.to_owned()));
        Ok(Self(parts))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| part.as_ref().err().map(String::as_str))
    }

    /// `None` when a value it names is absent: the claim is then left out.
    fn render(&self, values: &Attributes) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Ok(literal) => Some(literal.as_str()),
                Err(name) => values.get(name).map(String::as_str),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn services(prefix: &str, scope: ScopeRule) -> Services {
        Services::new(prefix, scope, &IndexMap::new()).unwrap()
    }

    fn identify(
        services: &Services,
        service: &str,
        given: &[(&str, &str)],
    ) -> Result<Identity, AttributeError> {
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
    fn an_environment_is_its_own_root_unless_told() {
        let services = services("runmint", ScopeRule::ByOperation);
        let given = [("project", "web"), ("environment", "prod")];
        let identity = identify(&services, "environment", &given).unwrap();
        assert_eq!(identity.subject, "runmint:environments:org:acme:env:web/prod");
        assert_eq!(
            Value::Object(identity.claims),
            json!({"current_env": "web/prod", "root_env": "web/prod"})
        );

        let given =
            [("project", "web"), ("environment", "prod"), ("root_env", "a/b"), ("trigger_user", "bob")];
        let identity = identify(&services, "environment", &given).unwrap();
        assert_eq!(
            Value::Object(identity.claims),
            json!({"current_env": "web/prod", "root_env": "a/b", "trigger_user": "bob"})
        );
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
}
