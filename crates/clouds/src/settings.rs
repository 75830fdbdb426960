//! The settings with which runs exchange their tokens for cloud credentials: one type for flags, configuration and the
//! API, with the published member names.

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

/// The default audience of tokens for AWS.
pub const AWS_AUDIENCE: &str = "sts.amazonaws.com";
/// The default audience of tokens for Microsoft Entra.
pub const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// STS accepts at most ten policy ARNs for one session.
pub const MAX_POLICY_ARNS: usize = 10;
/// The most scopes of one access token.
pub const MAX_SCOPES: usize = 20;

/// The settings of a run for each cloud.
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
    /// Whether no cloud is configured.
    pub fn is_empty(&self) -> bool {
        self.aws.is_none() && self.azure.is_none() && self.gcp.is_none()
    }

    /// Takes each cloud that is not configured here from `others`.
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
    /// By default it is made from the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<RoleSessionName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<CloudDuration<900, 43_200>>,
    /// Session policies: a session may do what both its role and these policies allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "policy_arns")]
    pub policy_arns: Vec<SessionPolicyArn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl AwsSettings {
    /// The audience of the run's token: [`AWS_AUDIENCE`] unless set.
    pub fn audience(&self) -> &str {
        self.audience.as_ref().map_or(AWS_AUDIENCE, Audience::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AzureSettings {
    pub client_id: Guid,
    pub tenant_id: Guid,
    /// Set for tools; the exchange does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<Guid>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl AzureSettings {
    /// The audience of the run's token: [`AZURE_AUDIENCE`] unless set.
    pub fn audience(&self) -> &str {
        self.audience.as_ref().map_or(AZURE_AUDIENCE, Audience::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GcpSettings {
    /// The project's number, as in the resource name of a pool.
    #[schemars(schema_with = "number_or_text")]
    pub project_id: ProjectNumber,
    pub workload_pool_id: PoolId,
    pub provider_id: PoolId,
    /// By default the pool's own principal is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
    /// Set for tools. Pools are always in `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The lifetime of a service account's access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime: Option<CloudDuration<600, 43_200>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "scopes")]
    pub scopes: Vec<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "audience")]
    #[schemars(with = "Option<String>")]
    pub audience: Option<Audience>,
}

impl GcpSettings {
    /// The audience of the run's token: the provider's resource name unless set.
    pub fn audience(&self) -> String {
        match &self.audience {
            Some(audience) => audience.as_str().to_owned(),
            None => format!("https:{}", self.provider_resource()),
        }
    }

    /// The parameter `audience` of Google's token service: the provider's resource name, whatever the token's audience.
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
            "{what} has {} entries; at most {max} are allowed",
            elements.len()
        )));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests;
