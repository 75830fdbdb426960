//! Writes policies as the JSON that they were read from.

use super::definition::{Grant, NoPermissions, Policy};
use super::document::{
    Any, AttributeDocument, ChoiceDocument, PermissionsDocument, PolicyDocument, RunDocument, TokenType,
};
use super::entries::Entries;
use super::run::{AttributeSource, Choice, RunGrant};
use crate::pattern::Pattern;

impl From<Policy> for PolicyDocument {
    fn from(policy: Policy) -> Self {
        let Policy { decision, grant, role, syntax, rules, written_as } = policy;
        let authorized_permissions = match (&grant, written_as) {
            (Grant::Organization { admin: true }, _) => PermissionsDocument::List(vec!["admin".to_owned()]),
            (_, NoPermissions::Absent) => PermissionsDocument::Absent,
            (_, NoPermissions::Null) => PermissionsDocument::Null(()),
            (_, NoPermissions::Empty) => PermissionsDocument::List(Vec::new()),
        };
        let rules = rules
            .into_iter()
            .map(|rule| (rule.claim.as_str().to_owned(), rule.pattern.as_str().to_owned()))
            .collect();
        let mut document = Self {
            decision,
            token_type: TokenType::Organization,
            team_name: None,
            user_login: None,
            runner_id: None,
            role_id: role,
            authorized_permissions,
            syntax,
            run: None,
            rules: Entries(rules),
        };
        let text = |name: Pattern| Some(name.as_str().to_owned());
        match grant {
            Grant::Organization { .. } => {}
            Grant::Team(name) => (document.token_type, document.team_name) = (TokenType::Team, text(name)),
            Grant::Personal(name) => {
                (document.token_type, document.user_login) = (TokenType::Personal, text(name));
            }
            Grant::Runner(name) => {
                (document.token_type, document.runner_id) = (TokenType::Runner, text(name));
            }
            Grant::Run(run) => (document.token_type, document.run) = (TokenType::Run, Some(run.into())),
        }
        document
    }
}

impl From<RunGrant> for RunDocument {
    fn from(grant: RunGrant) -> Self {
        let attributes = grant.attributes.into_iter().map(|(name, source)| (name, source.into())).collect();
        Self { service: grant.service, attributes: Entries(attributes), audiences: grant.audiences }
    }
}

impl From<AttributeSource> for AttributeDocument {
    fn from(source: AttributeSource) -> Self {
        match source {
            AttributeSource::Claim { path, strip_prefix } => {
                Self { claim: Some(path.as_str().to_owned()), strip_prefix, ..Self::default() }
            }
            AttributeSource::Value(value) => Self { value: Some(value), ..Self::default() },
            AttributeSource::Chosen(choice) => {
                let choose = match choice {
                    Choice::Any => ChoiceDocument::Any(Any::Any),
                    Choice::OneOf(values) => ChoiceDocument::OneOf(values),
                };
                Self { choose: Some(choose), ..Self::default() }
            }
        }
    }
}
