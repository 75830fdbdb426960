#![expect(
    clippy::needless_pass_by_value,
    reason = "a profile is made with json! for the one call that reads it"
)]

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::presets::presets;
use super::*;
use crate::organization_name::OrganizationName;
use crate::service::{Identity, ScopeRule, Services};

const BATCH: &str = r#"
[batch]
subject = "{prefix}:batch:{region}:org:{org}:queue:{queue}"
attributes = { region = {}, queue = {}, note = {} }
"#;

fn services() -> Services {
    Services::new("runmint", ScopeRule::ByOperation, &toml::from_str(BATCH).unwrap()).unwrap()
}

fn check_as(profiles: Value, own_issuer: bool) -> Result<(), String> {
    let definitions: ProfileDefinitions =
        serde_json::from_value(profiles).map_err(|error| error.to_string())?;
    let services = services();
    let setting = Setting {
        services: &services,
        own_issuer,
        max_lifetime: SignedDuration::from_hours(1),
        rs256_only: &["api://AzureADTokenExchange"],
    };
    definitions.check(setting, &[]).map_err(|error| error.to_string())
}

fn check(profile: Value) -> Result<(), String> {
    check_as(json!({"vault": profile}), false)
}

fn compile(profiles: Value) -> AudienceProfiles {
    AudienceProfiles::compile(1, &serde_json::from_value(profiles).unwrap()).unwrap()
}

/// A run of `deploy` in an organization.
struct TestRun {
    identity: Identity,
    claims: Map<String, Value>,
}

fn run(org: &str, attributes: &[(&str, &str)]) -> TestRun {
    let services = services();
    let attributes = attributes.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let org = OrganizationName::parse(org).unwrap();
    let identity = services.identify(services.named("deploy").unwrap(), &org, &attributes).unwrap();
    let mut claims = identity.claims.clone();
    claims.insert("org".into(), org.as_str().into());
    claims.insert("run_id".into(), "r".into());
    claims.insert("act".into(), json!({"iss": "i", "sub": "alice"}));
    TestRun { identity, claims }
}

fn website() -> TestRun {
    run("acme", &[("project", "website"), ("stack", "prod"), ("operation", "update"), ("actor", "alice")])
}

impl TestRun {
    fn shape<'r>(&'r self, profiles: &'r AudienceProfiles, audience: &str) -> Result<Shape<'r>, ShapeError> {
        let facts = Facts {
            service: "deploy",
            subject: &self.identity.subject,
            values: &self.identity.values,
            claims: &self.claims,
        };
        profiles.shape(audience, facts)
    }
}

#[test]
fn an_empty_profile_changes_nothing() {
    let run = website();
    for profiles in [AudienceProfiles::default(), compile(json!({"vault": {}}))] {
        for audience in ["acme", "sts.amazonaws.com", "vault"] {
            let shape = run.shape(&profiles, audience).unwrap();
            assert_eq!(shape.subject, run.identity.subject);
            assert_eq!(*shape.claims, run.claims);
            assert!(shape.format.is_none() && shape.lifetime.is_none() && shape.algorithm.is_none());
        }
    }
}

#[test]
fn the_exact_audience_comes_first_then_the_longest_prefix() {
    let limit = |seconds: i64| json!({"lifetime_seconds": seconds});
    let profiles = compile(
        json!({"*": limit(60), "a*": limit(61), "abc*": limit(63), "abc": limit(64), "ab*": limit(62)}),
    );
    let run = website();
    for (audience, seconds) in [("abc", 64), ("abcd", 63), ("abx", 62), ("ab", 62), ("ax", 61), ("x", 60)] {
        let lifetime = run.shape(&profiles, audience).unwrap().lifetime;
        assert_eq!(lifetime, Some(SignedDuration::from_secs(seconds)), "{audience}");
    }
}

#[test]
fn presets_are_accepted_and_keep_their_limits() {
    let site = website();
    for (name, preset) in presets() {
        let document = json!({preset.audience.as_str(): preset.profile});
        check_as(document.clone(), false).unwrap_or_else(|error| panic!("{name}: {error}"));
        let audience = preset.audience.replace('*', "projects/1");
        let profiles = compile(document);
        let shape = site.shape(&profiles, &audience).unwrap();
        assert!(shape.subject.starts_with("runmint:deploy:org:acme:"), "{name}");
    }
    let google = compile(json!({"https://iam.googleapis.com/*": presets()["google"].profile}));
    let shape = site.shape(&google, "https://iam.googleapis.com/x").unwrap();
    assert_eq!(shape.subject, "runmint:deploy:org:acme:run:website:prod:update");
    let long = "p".repeat(127 - "runmint:deploy:org:acme:run::prod:update".len());
    for (project, fits) in [(long.clone(), true), (format!("{long}p"), false)] {
        let attributes = [("project", project.as_str()), ("stack", "prod"), ("operation", "update")];
        let shaped = run("acme", &attributes);
        assert_eq!(shaped.shape(&google, "https://iam.googleapis.com/x").is_ok(), fits);
    }
}

#[test]
fn no_subject_can_be_another_organizations() {
    for template in [
        "{prefix}:deploy:{project}:{stack}",
        "{prefix}:deploy:{org}:x",
        "{prefix}:deploy:project:{project}:org:{org}",
        "{prefix}:deploy:organization:{org}:x",
        "{prefix}:deploy:org/{org}:x",
        "{prefix}:deploy:org:acme:project:{project}",
        "{org}:deploy:{prefix}:x",
        "x",
        "",
    ] {
        let error = check(subject_of(template)).unwrap_err();
        assert!(error.contains("must begin with `{prefix}:deploy:org:{org}`"), "{template}: {error}");
    }
    check(subject_of("{prefix}:deploy:org:{org}:short")).unwrap();
    check(subject_of("{prefix}:deploy:org:{org}")).unwrap();
    // The region comes first in its own subjects: elsewhere, a region `org` could be mistaken for the literal.
    let batch = |template: &str| json!({"subject": {"batch": template}, "subject_omits": ["queue"]});
    check(batch("{prefix}:batch:{region}:org:{org}")).unwrap();
    let error = check(batch("{prefix}:batch:org:{org}:{region}")).unwrap_err();
    assert!(error.contains("{prefix}:batch:{region}:org:{org}"), "{error}");
    let error = check(subject_of("{prefix}:deploy:org:{org}:x:org:{project}")).unwrap_err();
    assert!(error.contains("only right before"), "{error}");
}

#[test]
fn no_subject_can_be_another_services() {
    for own_issuer in [false, true] {
        for template in [
            "{prefix}:environments:org:{org}:x",
            "{prefix}:batch:org:{org}:x",
            "{prefix}:deployed:org:{org}:x",
        ] {
            let error = check_as(json!({"vault": subject_of(template)}), own_issuer).unwrap_err();
            assert!(error.contains("must begin with `{prefix}:deploy:"), "{template}: {error}");
        }
    }
    // No other organization has its issuer.
    check_as(json!({"vault": subject_of("{prefix}:deploy:p:{project}")}), true).unwrap();
    let error = check_as(json!({"vault": subject_of("{prefix}:deploy:x:org:{project}")}), true).unwrap_err();
    assert!(error.contains("only right before"), "{error}");
}

#[test]
fn a_subject_leaves_out_a_component_only_on_purpose() {
    let short = "{prefix}:deploy:org:{org}:run:{project}:{operation}";
    let error = check(json!({"subject": {"deploy": short}})).unwrap_err();
    assert!(error.contains("leaves out {stack}"), "{error}");
    check(json!({"subject": {"deploy": short}, "subject_omits": ["stack"]})).unwrap();
    let error =
        check(json!({"subject": {"deploy": short}, "subject_omits": ["stack", "scope"]})).unwrap_err();
    assert!(error.contains("no subject here leaves out `scope`"), "{error}");
    let scope = "{prefix}:deploy:org:{org}:run:{project}:{stack}:{scope}:x";
    let error = check(json!({"subject": {"deploy": scope}})).unwrap_err();
    assert!(error.contains("leaves out {operation}"), "{error}");
}

#[test]
fn refuses_formats_that_could_be_mistaken_for_one_another() {
    let default =
        "{prefix}:deploy:org:{org}:project:{project}:stack:{stack}:operation:{operation}:scope:{scope}";
    check(json!({"subject": {"deploy": default}})).unwrap();
    // A project called `project` and so on would have the subject of another run.
    let lookalike = "{prefix}:deploy:org:{org}:{project}:{stack}:stack:{scope}:operation:{operation}:scope:x";
    let error = check(json!({"subject": {"deploy": lookalike}})).unwrap_err();
    assert!(error.contains("could be mistaken for"), "{error}");
    let migration = |previous: &str, present: &str, whom: Value| {
        check(json!({
            "subject": {"deploy": present},
            "previous_subject": {"subject": {"deploy": previous}, "for": whom},
        }))
    };
    let (one, swapped) = (
        "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}",
        "{prefix}:deploy:org:{org}:run:{stack}:{project}:{operation}",
    );
    let error = migration(swapped, one, json!("all")).unwrap_err();
    assert!(error.contains("could be mistaken for"), "{error}");
    migration("{prefix}:deploy:org:{org}:v1:{project}", one, json!("all")).unwrap();
    let error = migration("{prefix}:deploy:org:{org}:v1:{project}", one, json!([])).unwrap_err();
    assert!(error.contains("names no project"), "{error}");
    let error = migration(one, one, json!("all")).unwrap_err();
    assert!(error.contains("equals the current"), "{error}");
    // A previous format also gives access to a cloud account.
    let error = migration("{prefix}:deploy:{project}", one, json!("all")).unwrap_err();
    assert!(error.contains("must begin with"), "{error}");
}

#[test]
fn a_new_format_cannot_be_mistaken_for_the_previous_one() {
    let definitions = |template: &str| -> ProfileDefinitions {
        serde_json::from_value(json!({"vault": {"subject": {"deploy": template}}})).unwrap()
    };
    let services = services();
    let setting = Setting {
        services: &services,
        own_issuer: false,
        max_lifetime: SignedDuration::from_hours(1),
        rs256_only: &[],
    };
    let before = definitions("{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}");
    // Also where it was another audience's, or a version in between had none.
    let from_before = &[ProfileDefinitions::default(), before.clone()][..];
    let swapped = definitions("{prefix}:deploy:org:{org}:run:{stack}:{project}:{operation}");
    let elsewhere =
        ProfileDefinitions(swapped.0.iter().map(|(_, profile)| ("v*".to_owned(), profile.clone())).collect());
    for swapped in [&swapped, &elsewhere] {
        let error = swapped.check(setting, from_before).unwrap_err().to_string();
        assert!(error.contains("could be mistaken for"), "{error}");
    }
    let named = definitions("{prefix}:deploy:org:{org}:v2:{stack}:{project}:{operation}");
    named.check(setting, from_before).unwrap();
    before.check(setting, from_before).unwrap();
}

#[test]
fn no_value_reads_like_another_organization() {
    let profiles = compile(json!({"v": {"subject": {
        "deploy": "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}",
    }}}));
    for (org, project, stack, is_taken) in [
        ("acme", "website", "prod", true),
        ("acme", "org", "victim", false),
        ("acme", "website", "org", false),
        ("acme", "organic", "torg", true),
        // Followed by `run`, it would read like the organization of that name.
        ("org", "website", "prod", false),
    ] {
        let run = run(org, &[("project", project), ("stack", stack), ("operation", "update")]);
        let refused = run.shape(&profiles, "v").err() == Some(ShapeError::SecondOrganization);
        assert_eq!(!refused, is_taken, "{org} {project} {stack}");
    }
}

#[test]
fn a_migration_goes_project_by_project() {
    let short = "{prefix}:deploy:org:{org}:run:{project}:{stack}:{operation}";
    let with = |whom: Value| {
        compile(json!({"vault": {
            "subject": {"deploy": short}, "previous_subject": {"for": whom},
        }}))
    };
    let shop = run("acme", &[("project", "shop"), ("stack", "prod"), ("operation", "update")]);
    let site = website();
    let profiles = with(json!(["website"]));
    let shape = site.shape(&profiles, "vault").unwrap();
    assert_eq!((shape.subject.as_ref(), shape.format), (site.identity.subject.as_str(), None));
    let shape = shop.shape(&profiles, "vault").unwrap();
    assert_eq!(
        (shape.subject.as_ref(), shape.format),
        ("runmint:deploy:org:acme:run:shop:prod:update", Some(short))
    );
    let profiles = with(json!("all"));
    assert!(shop.shape(&profiles, "vault").unwrap().format.is_none());
}

#[test]
fn session_tags_have_the_form_that_aws_accepts() {
    let profiles = compile(json!({"sts.amazonaws.com": {
        "include_claims": [],
        "aws_session_tags": {
            "tags": {"Project": "project", "Deployment": "deployment"}, "transitive": ["Project", "Deployment"],
        },
        "source_identity": "actor",
    }}));
    let site = website();
    // It has no deployment, and AWS refuses a transitive key without its tag.
    assert_eq!(
        Value::Object(site.shape(&profiles, "sts.amazonaws.com").unwrap().claims.into_owned()),
        json!({
            "https://aws.amazon.com/tags":
                {"principal_tags": {"Project": ["website"]}, "transitive_tag_keys": ["Project"]},
            "https://aws.amazon.com/source_identity": "alice",
        })
    );
    for (name, value) in
        [("project", "a*b"), ("project", "a\u{0}b"), ("actor", "a b"), ("actor", "x"), ("actor", "aws:x")]
    {
        let mut attributes =
            BTreeMap::from([("project", "p"), ("stack", "s"), ("operation", "update"), ("actor", "al")]);
        attributes.insert(name, value);
        let attributes: Vec<_> = attributes.into_iter().collect();
        let refused = run("acme", &attributes);
        refused.shape(&profiles, "sts.amazonaws.com").expect_err(value);
        refused.shape(&profiles, "vault").unwrap();
    }
}

#[test]
fn refuses_invalid_profiles_when_they_are_saved() {
    let tags = |tags: Value| json!({"aws_session_tags": {"tags": tags}});
    let many: IndexMap<String, &str> = (0..51).map(|n| (format!("T{n}"), "project")).collect();
    for (profile, why) in [
        (json!({"include_claims": ["sub"]}), "`sub` is in every token"),
        (json!({"leave_out_claims": ["aud"]}), "`aud` is in every token"),
        (json!({"leave_out_claims": ["jti"]}), "`jti` is in every token"),
        (json!({"leave_out_claims": ["actro"]}), "no service has a claim `actro`"),
        (json!({"leave_out_claims": ["actor", "actor"]}), "twice"),
        (json!({"include_claims": [], "leave_out_claims": []}), "cannot be combined"),
        (json!({"lifetime_seconds": 59}), "60 to 3600"),
        (json!({"lifetime_seconds": 3601}), "60 to 3600"),
        (json!({"algorithm": "none"}), "unknown variant"),
        (json!({"max_subject_bytes": 256}), "32 to 255"),
        (json!({"subject": {"nothing": "{prefix}:nothing:org:{org}"}}), "service `nothing` does not exist"),
        (json!({"subject": {"deploy": "{prefix}:deploy:org:{org}:{actor}"}}), "do not depend on `{actor}`"),
        // Every run has one, but a policy may let callers choose values outside the subject.
        (
            json!({"subject": {"batch": "{prefix}:batch:{region}:org:{org}:note:{note}"}}),
            "do not depend on `{note}`",
        ),
        (json!({"subject": {"deploy": "{prefix}:deploy:org:{org}:*"}}), "character `*`"),
        (json!({"subject": {"deploy": "x".repeat(513)}}), "at most 512"),
        (tags(json!({})), "1 to 50"),
        (tags(json!(many)), "1 to 50"),
        (tags(json!({"aws:x": "project"})), "not a valid tag name"),
        (tags(json!({"a?": "project"})), "not a valid tag name"),
        (tags(json!({"a".repeat(129): "project"})), "not a valid tag name"),
        (tags(json!({"Team": "project", "team": "stack"})), "only in case"),
        (tags(json!({"A": "act"})), "not text"),
        (tags(json!({"A": "nothing"})), "no service has a claim"),
        (
            json!({"aws_session_tags": {"tags": {"A": "project"}, "transitive": ["B"]}}),
            "transitive `B` is not one of the tags",
        ),
        (json!({"source_identity": "act"}), "not text"),
        (json!({"previous_subject": {"for": "some"}}), "\"all\" or an array"),
        (json!({"subjects": {}}), "unknown field"),
    ] {
        let error = check(profile.clone()).unwrap_err();
        assert!(error.contains(why), "{profile}: {error}");
    }
    for (audience, why) in
        [("a*b", "`*` may appear"), ("**", "`*` may appear"), ("", "empty"), (" a", "white space")]
    {
        let error = check_as(json!({audience: {}}), false).unwrap_err();
        assert!(error.contains(why), "{audience}: {error}");
    }
    let error = check_as(json!({"api://AzureADTokenExchange": {"algorithm": "ES256"}}), false).unwrap_err();
    assert!(error.contains("only RS256"), "{error}");
    let many: Map<String, Value> = (0..51).map(|n| (format!("a{n}"), json!({}))).collect();
    assert!(check_as(many.into(), false).unwrap_err().contains("at most 50"));
    let twice = r#"{"a": {}, "a": {}}"#;
    assert!(serde_json::from_str::<ProfileDefinitions>(twice).unwrap_err().to_string().contains("twice"));
}

const CLAIMS: &[&str] = &[
    "org",
    "org_id",
    "run_id",
    "act",
    "actor",
    "actor_id",
    "project",
    "stack",
    "operation",
    "scope",
    "deployment",
];

fn some_claims() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(CLAIMS, 0..=CLAIMS.len())
}

/// Templates that could confuse, were they accepted.
fn some_template() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{project}"),
        Just("{stack}"),
        Just("{operation}"),
        Just("{scope}"),
        Just("{org}"),
        Just("org"),
        Just("deploy"),
        Just("project"),
        Just("acme"),
        Just("x"),
    ];
    let head = prop_oneof![
        4 => Just("{prefix}:deploy:org:{org}:run"), 2 => Just("{prefix}:deploy:org:{org}"), 4 => Just("{prefix}:deploy"), 1 => Just("{prefix}:environments:org:{org}"),
    ];
    (head, proptest::collection::vec(part, 0..6))
        .prop_map(|(head, parts)| std::iter::once(head).chain(parts).collect::<Vec<_>>().join(":"))
}

fn confusing() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]",
        Just("project".to_owned()),
        Just("org".to_owned()),
        Just("a:org:other".to_owned()),
        "[a:/%*]{1,3}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn a_token_never_has_a_claim_that_its_audiences_profile_leaves_out(
        left_out in some_claims(), included in some_claims(), tagged in some_claims(), which in any::<bool>(),
        has_actor in any::<bool>(), audience in "(vault|v|x)[a-z]{0,2}",
    ) {
        let mut profile = if which { json!({"leave_out_claims": left_out}) } else { json!({"include_claims": included}) };
        let tags: Map<String, Value> =
            tagged.iter().filter(|claim| **claim != "act").map(|claim| ((*claim).to_uppercase(), (*claim).into())).collect();
        if !tags.is_empty() {
            profile["aws_session_tags"] = json!({"tags": tags});
        }
        let document = json!({"v*": profile});
        prop_assert_eq!(check_as(document.clone(), false), Ok(()));
        let profiles = compile(document);
        let mut attributes = vec![("project", "p"), ("stack", "s"), ("operation", "update"), ("deployment", "1")];
        if has_actor {
            attributes.extend([("actor", "alice"), ("actor_id", "u-1")]);
        }
        let run = run("acme", &attributes);
        let shape = run.shape(&profiles, &audience).unwrap();
        let governed = audience.starts_with('v');
        for claim in run.claims.keys() {
            let says = !governed || if which { !left_out.contains(&claim.as_str()) } else { included.contains(&claim.as_str()) };
            prop_assert_eq!(shape.claims.contains_key(claim), says, "{}", claim);
        }
        let added = shape.claims.keys().filter(|claim| !run.claims.contains_key(*claim)).count();
        prop_assert!(added <= usize::from(governed && !tags.is_empty()));
    }

    #[test]
    fn profiles_of_two_organizations_never_give_the_same_subject(
        mine in some_template(), others in proptest::option::of(some_template()),
        my_values in (confusing(), confusing()), other_values in proptest::option::of((confusing(), confusing())),
        orgs in proptest::sample::subsequence(vec!["acme", "org", "project", "x"], 2),
    ) {
        let their_values = other_values.unwrap_or_else(|| my_values.clone());
        let theirs = others.unwrap_or_else(|| mine.clone());
        if check(subject_of(&mine)).and(check(subject_of(&theirs))).is_err() {
            return Ok(());
        }
        let profiles = (compile(json!({"v": subject_of(&mine)})), compile(json!({"v": subject_of(&theirs)})));
        let of = |org: &str, (project, stack): &(String, String)| {
            run(org, &[("project", project), ("stack", stack), ("operation", "update")])
        };
        let (me, them) = (of(orgs[0], &my_values), of(orgs[1], &their_values));
        let (Ok(ours), Ok(others)) = (me.shape(&profiles.0, "v"), them.shape(&profiles.1, "v")) else {
            return Ok(());
        };
        prop_assert_ne!(&ours.subject, &others.subject);
        prop_assert_ne!(ours.subject.as_ref(), them.identity.subject.as_str());
        // Nor does a policy with wildcards around an organization's name take one for the other.
        let wildcard = format!(":org:{}:", orgs[1]);
        prop_assert!(!format!("{}:", ours.subject).contains(&wildcard), "{}", ours.subject);
    }
}

/// With every name that the template leaves out declared.
fn subject_of(template: &str) -> Value {
    let has = |name: &str| template.contains(&format!("{{{name}}}"));
    let mut omits: Vec<&str> =
        ["project", "stack", "operation"].into_iter().filter(|name| !has(name)).collect();
    if !has("scope") && !has("operation") {
        omits.push("scope");
    }
    json!({"subject": {"deploy": template}, "subject_omits": omits})
}
