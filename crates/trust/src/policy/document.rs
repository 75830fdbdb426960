//! The JSON of a policy. Unknown and duplicate members are refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::entries::Entries;
use crate::pattern::Syntax;

/// `AuthPolicyDefinition` of Pulumi Cloud's REST API, with `syntax` and `run` of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    pub decision: Decision,
    pub token_type: TokenType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_login: Option<String>,
    #[serde(default, rename = "runnerID", skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<String>,
    #[serde(default, rename = "roleID", skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
    /// Absent, `null`, `[]` or `["admin"]`; all but the last mean the same.
    #[serde(default, skip_serializing_if = "PermissionsDocument::is_absent")]
    pub authorized_permissions: PermissionsDocument,
    /// Absent means strict. Written only if it is not strict.
    #[serde(default, skip_serializing_if = "is_strict")]
    pub syntax: Syntax,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunDocument>,
    pub rules: Entries<String>,
}

/// The kind of token that a policy decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Organization,
    Team,
    Personal,
    Runner,
    Run,
}

/// `authorizedPermissions`, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "authorizedPermissions is an array of strings, or null")]
pub enum PermissionsDocument {
    #[default]
    #[serde(skip)]
    Absent,
    Null(()),
    List(Vec<String>),
}

/// `{"service": "deploy", "attributes": {…}, "audiences": […]}`. A denying policy has only `service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunDocument {
    pub service: String,
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub attributes: Entries<AttributeDocument>,
    /// Absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
}

/// One of `{"claim": PATH, "stripPrefix"?: TEXT}`, `{"value": TEXT}`, `{"choose": [TEXT, …]}` and
/// `{"choose": "any"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributeDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) strip_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ChoiceDocument")]
    pub(super) choose: Option<ChoiceDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ChoiceDocument {
    OneOf(Vec<String>),
    Any(Any),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Any {
    Any,
}

impl TokenType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Team => "team",
            Self::Personal => "personal",
            Self::Runner => "runner",
            Self::Run => "run",
        }
    }

    /// The member with the name that it is for.
    pub(super) fn member(self) -> Option<&'static str> {
        match self {
            Self::Organization | Self::Run => None,
            Self::Team => Some("teamName"),
            Self::Personal => Some("userLogin"),
            Self::Runner => Some("runnerID"),
        }
    }
}

impl PermissionsDocument {
    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_strict(syntax: &Syntax) -> bool {
    *syntax == Syntax::Strict
}
