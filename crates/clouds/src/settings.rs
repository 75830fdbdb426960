//! What runs need to exchange their tokens for credentials of a cloud: one form for flags, configuration and
//! the API, with the members' published names.

pub mod document;
mod duration;
mod text;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

pub use self::duration::{CloudDuration, DurationError};
pub use self::text::{
    Guid, PoolId, ProjectNumber, Region, RoleArn, RoleSessionName, Scope, ServiceAccount, SessionPolicyArn,
    TextError,
};
use runmint_issuer::audience::Audience;

pub const AWS_AUDIENCE: &str = "sts.amazonaws.com";
pub const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// STS takes ten policy ARNs at most for one session.
pub const MAX_POLICY_ARNS: usize = 10;
pub const MAX_SCOPES: usize = 20;

/// The clouds that a run has settings for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpSettings>,
}

impl CloudSettings {
    pub fn is_empty(&self) -> bool {
        self.aws.is_none() && self.azure.is_none() && self.gcp.is_none()
    }

    /// Each cloud that these settings are silent about, from `others`.
    pub fn or(self, others: Self) -> Self {
        Self {
            aws: self.aws.or(others.aws),
            azure: self.azure.or(others.azure),
            gcp: self.gcp.or(others.gcp),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AwsSettings {
    pub role_arn: RoleArn,
    /// Without one, a name is made from the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<RoleSessionName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<CloudDuration<900, 43_200>>,
    /// Session policies: what a session may do is what its role may and these allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "policy_arns")]
    pub policy_arns: Vec<SessionPolicyArn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl AwsSettings {
    pub fn audience(&self) -> &str {
        self.audience.as_ref().map_or(AWS_AUDIENCE, Audience::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AzureSettings {
    pub client_id: Guid,
    pub tenant_id: Guid,
    /// Tools need it to know where to work; the exchange of tokens does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<Guid>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl AzureSettings {
    pub fn audience(&self) -> &str {
        self.audience.as_ref().map_or(AZURE_AUDIENCE, Audience::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GcpSettings {
    /// The project's number: a pool's name has no other form in it.
    #[schemars(schema_with = "number_or_text")]
    pub project_id: ProjectNumber,
    pub workload_pool_id: PoolId,
    pub provider_id: PoolId,
    /// Without one, the pool's own principal is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
    /// Where tools work. The pool is in `global`, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Of a service account's access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime: Option<CloudDuration<600, 43_200>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "scopes")]
    pub scopes: Vec<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl GcpSettings {
    /// The audience that a token is minted for.
    pub fn audience(&self) -> String {
        match &self.audience {
            Some(audience) => audience.as_str().to_owned(),
            None => format!("https:{}", self.provider_resource()),
        }
    }

    /// The parameter `audience` of Google's token service: the provider, whatever the token's audience.
    pub fn provider_resource(&self) -> String {
        let Self { project_id, workload_pool_id, provider_id, .. } = self;
        format!(
            "//iam.googleapis.com/projects/{project_id}/locations/global/workloadIdentityPools/{workload_pool_id}/providers/{provider_id}"
        )
    }
}

fn number_or_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["integer", "string"]})
}

fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Audience>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| Audience::parse(&text).map_err(de::Error::custom)).transpose()
}

fn policy_arns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SessionPolicyArn>, D::Error> {
    at_most(MAX_POLICY_ARNS, "policyArns", Vec::deserialize(deserializer)?)
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    at_most(MAX_SCOPES, "scopes", Vec::deserialize(deserializer)?)
}

fn at_most<T, E: de::Error>(max: usize, what: &str, elements: Vec<T>) -> Result<Vec<T>, E> {
    if elements.len() > max {
        return Err(E::custom(format_args!(
            "{what} has at most {max} entries, these are {}",
            elements.len()
        )));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests;
