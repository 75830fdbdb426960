//! The runs that a document trusts.

use clap::Args;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::asked::{Asked, Examples};
use crate::cli::terminal::failure::Failure;
use crate::clouds::trust_documents::grant::{Grant, Scope};
use crate::clouds::trust_documents::subject_form::{ASKED_PROJECT, ASKED_STACK, OPERATIONS, SubjectForm};
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::service::{Attributes, ScopeRule, Services};
use crate::issuer::subject::{PrefixError, check_prefix};
use crate::issuer::url::IssuerUrl;

#[derive(Args)]
pub(super) struct Runs {
    /// The organization whose runs are trusted
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
    /// The project
    #[arg(long, required_unless_present = "any_project")]
    project: Option<String>,
    /// Only this stack; may be repeated [default: every stack]
    #[arg(long = "stack", value_name = "STACK")]
    stacks: Vec<String>,
    /// Only this operation; may be repeated [default: every operation]
    #[arg(long = "operation", value_name = "OPERATION", value_parser = OPERATIONS)]
    operations: Vec<String>,
    /// Trust every project, including future ones; also needs --confirm
    #[arg(long, conflicts_with = "project", requires = "confirm")]
    any_project: bool,
    /// The organization's name once more, to confirm --any-project
    #[arg(long, value_name = "ORG", requires = "any_project")]
    confirm: Option<String>,
    /// The issuer (`iss` of the tokens), to write the document without a server, for the built-in form of subjects
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// With --issuer: the prefix of subjects
    #[arg(long, value_name = "WORD", default_value = "runmint", requires = "issuer", value_parser = prefix)]
    subject_prefix: String,
}

impl Runs {
    /// The grant for these runs, with the form of the organization's tokens for `audience`.
    pub(super) async fn grant(self, audience: String) -> Result<Grant, Failure> {
        self.check()?;
        let asked = match self.issuer.clone() {
            Some(issuer) => {
                let examples = self.built_in(&issuer, &audience)?;
                let form = SubjectForm::learn(&examples).map_err(Failure::failed)?;
                Asked { issuer, form, other_form: None, profile: None }
            }
            None => Asked::of(&self.org, &audience).await?,
        };
        let Asked { issuer, form, other_form, profile } = asked;
        let issuer = IssuerUrl::parse(&issuer)
            .map_err(|error| Failure::usage(format!("could not read the issuer `{issuer}`: it {error}")))?;
        let Self { org, project, stacks, operations, .. } = self;
        let scope = Scope { organization: org, project, stacks, operations };
        Ok(Grant { issuer, audience, scope, form, other_form, profile })
    }

    fn check(&self) -> Result<(), Failure> {
        let confirmed = self.confirm.as_deref() == Some(self.org.as_str());
        if self.any_project && !confirmed {
            return Err(Failure::usage(format!(
                "--any-project trusts every run of {org}, whoever starts it: confirm with --confirm {org}",
                org = self.org
            )));
        }
        let names = self.project.iter().chain(&self.stacks).chain(&self.operations);
        for name in names {
            if name.is_empty() || name.trim() != name || name.len() > 255 {
                return Err(Failure::usage(
                    "a project, stack or operation has 1 to 255 bytes and no blanks around it",
                ));
            }
            if name.contains('*') || (name.starts_with('<') && name.ends_with('>')) {
                return Err(Failure::usage(format!(
                    "`{name}` would be taken as a literal name; omit the flag to trust every name"
                )));
            }
        }
        for list in [&self.stacks, &self.operations] {
            if let Some(twice) = list.iter().enumerate().find(|(at, one)| list[..*at].contains(one)) {
                return Err(Failure::usage(format!("`{}` is given twice", twice.1)));
            }
        }
        Ok(())
    }

    fn built_in(&self, issuer: &str, audience: &str) -> Result<Examples, Failure> {
        let asked = [("project", ASKED_PROJECT), ("stack", ASKED_STACK)];
        let example = |operation: &'static str| {
            let claims =
                built_in_claims(&self.subject_prefix, &self.org, &asked, operation, issuer, audience)?;
            Ok((operation, claims))
        };
        OPERATIONS.into_iter().map(example).collect()
    }
}

fn prefix(text: &str) -> Result<String, PrefixError> {
    check_prefix(text).map(|()| text.to_owned())
}

/// The claims of a deployment's token on a server with default services.
#[expect(clippy::too_many_arguments, reason = "each is a claim of its own, of a type of its own")]
fn built_in_claims(
    prefix: &str,
    org: &OrganizationName,
    attributes: &[(&str, &str)],
    operation: &str,
    issuer: &str,
    audience: &str,
) -> Result<Map<String, Value>, Failure> {
    let services = Services::new(prefix, ScopeRule::default(), &IndexMap::new())
        .map_err(|(name, error)| Failure::usage(format!("service {name}: {error}")))?;
    let service =
        services.named("deploy").ok_or_else(|| Failure::failed("the service `deploy` is missing"))?;
    let mut given: Attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    given.insert("operation".to_owned(), operation.to_owned());
    let identity = services.identify(service, org, &given).map_err(Failure::usage)?;
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), issuer.into());
    claims.insert("aud".to_owned(), audience.into());
    claims.insert("sub".to_owned(), identity.subject.into());
    claims.insert("org".to_owned(), org.as_str().into());
    claims.extend(identity.claims);
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_prefixes_that_the_server_accepts() {
        assert_eq!(prefix("run-mint_1.x"), Ok("run-mint_1.x".to_owned()));
        for bad in ["", "*", "a?", "a:b", "{org}", "a/b", "a b", "é", &"a".repeat(64)] {
            assert_eq!(prefix(bad), Err(PrefixError), "{bad}");
        }
    }
}
