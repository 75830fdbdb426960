//! The form of an organization's tokens for an audience, as the server describes it.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::api::OrNewer;
use crate::api::audience_profiles::ProfileDocument;
use crate::api::organizations::Organization;
use crate::api::runs::Preview;
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;
use crate::clouds::trust_documents::subject_form::{ASKED_PROJECT, ASKED_STACK, OPERATIONS, SubjectForm};
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::profile::{PreviousFor, ProfileDefinition, governing};
use crate::issuer::subject::SubjectTemplate;

/// The claims of a run for each operation.
pub(super) type Examples = Vec<(&'static str, Map<String, Value>)>;

/// The service whose runs are trusted.
const SERVICE: &str = "deploy";

pub(super) struct Asked {
    pub(super) issuer: String,
    pub(super) form: SubjectForm,
    /// The second form of subjects while a profile has `previous_subject`.
    pub(super) other_form: Option<SubjectForm>,
    pub(super) profile: Option<String>,
}

impl Asked {
    pub(super) async fn of(org: &OrganizationName, audience: &str) -> Result<Self, Failure> {
        let client = Client::from_environment()
            .map_err(|failure| failure.because("could not ask the server; without one, use --issuer"))?;
        let Organization { issuer, .. } = client.get(&format!("/api/orgs/{org}")).await?.parsed;
        let document =
            client.get::<ProfileDocument>(&format!("/api/orgs/{org}/audience-profiles")).await?.parsed;
        let known = |(audience, profile): (String, OrNewer<_>)| Some((audience, profile.known().cloned()?));
        let profiles: IndexMap<String, ProfileDefinition> =
            document.profiles.into_iter().map(known).collect::<Option<_>>().ok_or_else(strange)?;
        let profile = governing(&profiles, audience);
        let examples = examples(&client, org, Some(audience)).await?;
        let mut form = learned(&examples, profile)?;
        let mut other_form = None;
        if let Some((key, definition)) = profile {
            if let Some(other) = other_template(definition) {
                let own = self::examples(&client, org, None).await?;
                let examples = with_subjects(examples, other, &own)
                    .ok_or_else(|| Failure::failed(format!("could not determine both forms of subject of the audience profile `{key}`: write the subjects into the document yourself")))?;
                other_form = Some(learned(&examples, profile)?);
            }
            form.max_bytes = definition.max_subject_bytes;
        }
        Ok(Self { issuer, form, other_form, profile: profile.map(|(key, _)| key.to_owned()) })
    }
}

fn strange() -> Failure {
    Failure::failed("could not read the server's answer: is this runmint?")
}

fn learned(examples: &Examples, profile: Option<(&str, &ProfileDefinition)>) -> Result<SubjectForm, Failure> {
    let mut form = SubjectForm::learn(examples).map_err(Failure::failed)?;
    form.run_id = profile.is_none_or(|(_, definition)| carries(definition, "run_id"));
    Ok(form)
}

fn carries(definition: &ProfileDefinition, claim: &str) -> bool {
    let names = |list: &[String]| list.iter().any(|one| one == claim);
    definition.include_claims.as_deref().is_none_or(names)
        && !definition.leave_out_claims.as_deref().is_some_and(names)
}

async fn examples(
    client: &Client,
    org: &OrganizationName,
    audience: Option<&str>,
) -> Result<Examples, Failure> {
    let query: Vec<(&str, &str)> = audience.map(|audience| ("audience", audience)).into_iter().collect();
    let path = with_query(&format!("/api/orgs/{org}/runs/preview"), &query);
    let mut examples = Vec::new();
    for operation in OPERATIONS {
        let attributes = json!({"project": ASKED_PROJECT, "stack": ASKED_STACK, "operation": operation});
        let body = json!({"service": SERVICE, "attributes": attributes});
        let Preview { content, .. } = client.post(&path, &body).await?.parsed;
        if let Some(why) = content.refused {
            return Err(Failure::failed(format!("runs get no token for this audience: {why}")));
        }
        let mut claims = content.claims.ok_or_else(strange)?;
        claims.insert("sub".to_owned(), content.subject.into());
        examples.push((operation, claims));
    }
    Ok(examples)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Template<'t> {
    /// The service's own.
    Own,
    Written(&'t str),
}

/// The template of the other form, which the example runs do not have.
fn other_template(definition: &ProfileDefinition) -> Option<Template<'_>> {
    let previous = definition.previous_subject.as_ref()?;
    let other = match previous.whom {
        PreviousFor::All(_) => &definition.subject,
        // The example project is not one of these.
        PreviousFor::Projects(_) => &previous.subject,
    };
    Some(other.get(SERVICE).map_or(Template::Own, |text| Template::Written(text)))
}

/// The examples with subjects of another template, filled from the service's own subjects and claims.
fn with_subjects(mut examples: Examples, template: Template<'_>, own: &Examples) -> Option<Examples> {
    let template = match template {
        Template::Own => None,
        Template::Written(text) => Some(SubjectTemplate::parse(text).ok()?),
    };
    for ((_, claims), (_, own)) in examples.iter_mut().zip(own) {
        let subject = own.get("sub")?.as_str()?;
        let value_of = |name: &str| match name {
            "prefix" => subject.split(':').next(),
            claim => own.get(claim)?.as_str(),
        };
        let subject = match &template {
            Some(template) => template.render(value_of)?,
            None => subject.to_owned(),
        };
        claims.insert("sub".to_owned(), subject.into());
    }
    Some(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(text: &str) -> ProfileDefinition {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_other_template_is_the_one_that_new_projects_do_not_get() {
        let short = r#""subject": {"deploy": "{prefix}:deploy:org:{org}:v2:{project}"}"#;
        let all = definition(&format!(r#"{{{short}, "previous_subject": {{"for": "all"}}}}"#));
        assert_eq!(other_template(&all), Some(Template::Written("{prefix}:deploy:org:{org}:v2:{project}")));
        let some = definition(&format!(r#"{{{short}, "previous_subject": {{"for": ["website"]}}}}"#));
        assert_eq!(other_template(&some), Some(Template::Own));
        assert_eq!(other_template(&definition(&format!("{{{short}}}"))), None);
    }

    #[test]
    fn a_claim_is_carried_unless_it_is_left_out() {
        for (text, expected) in [
            ("{}", true),
            (r#"{"include_claims": []}"#, false),
            (r#"{"include_claims": ["run_id"]}"#, true),
            (r#"{"leave_out_claims": ["run_id"]}"#, false),
        ] {
            assert_eq!(carries(&definition(text), "run_id"), expected, "{text}");
        }
    }
}
