//! Cloud settings on the command line and in the environment.

use clap::Args;

use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::safe;
use crate::clouds::settings::{
    AwsSettings, AzureSettings, CloudDuration, CloudSettings, GcpSettings, Guid, MAX_POLICY_ARNS, MAX_SCOPES,
    PoolId, ProjectNumber, Region, RoleArn, RoleSessionName, Scope, ServiceAccount, SessionPolicyArn,
};
use crate::issuer::audience::Audience;

/// The organization's cloud settings for the run, recorded by the server when the run started.
pub(in crate::cli) const VARIABLE: &str = "RUNMINT_CLOUD_SETTINGS";

#[derive(Args, Default)]
#[command(next_help_heading = "AWS")]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(in crate::cli) struct AwsFlags {
    /// The role to assume
    #[arg(long, value_name = "ARN")]
    aws_role_arn: Option<RoleArn>,
    /// The session's name [default: organization, project, stack, operation and the run's id]
    #[arg(long, value_name = "NAME", requires = "aws_role_arn")]
    aws_session_name: Option<RoleSessionName>,
    /// The session's duration, e.g. 1h [default: the role's own]
    #[arg(long, value_name = "DURATION", requires = "aws_role_arn")]
    aws_duration: Option<CloudDuration<900, 43_200>>,
    /// A policy that narrows the session; may be repeated
    #[arg(long = "aws-policy-arn", value_name = "ARN", requires = "aws_role_arn")]
    aws_policy_arns: Vec<SessionPolicyArn>,
    /// The region [default: AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, value_name = "REGION", requires = "aws_role_arn")]
    aws_region: Option<Region>,
    /// The audience of the run's token [default: sts.amazonaws.com]
    #[arg(long, value_name = "AUDIENCE", value_parser = audience, requires = "aws_role_arn")]
    aws_audience: Option<Audience>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Azure")]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(in crate::cli) struct AzureFlags {
    /// The application (client) or managed identity
    #[arg(long, value_name = "GUID", requires = "azure_tenant_id")]
    azure_client_id: Option<Guid>,
    /// Its directory (tenant)
    #[arg(long, value_name = "GUID", requires = "azure_client_id")]
    azure_tenant_id: Option<Guid>,
    /// The subscription for tools
    #[arg(long, value_name = "GUID", requires = "azure_client_id")]
    azure_subscription_id: Option<Guid>,
    /// The audience of the run's token [default: api://AzureADTokenExchange]
    #[arg(long, value_name = "AUDIENCE", value_parser = audience, requires = "azure_client_id")]
    azure_audience: Option<Audience>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Google Cloud")]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(in crate::cli) struct GcpFlags {
    /// The number of the project that has the workload identity pool
    #[arg(long, value_name = "NUMBER", requires_all = ["gcp_pool", "gcp_provider"])]
    gcp_project_number: Option<ProjectNumber>,
    /// The workload identity pool
    #[arg(long, value_name = "ID", requires = "gcp_project_number")]
    gcp_pool: Option<PoolId>,
    /// Its provider
    #[arg(long, value_name = "ID", requires = "gcp_project_number")]
    gcp_provider: Option<PoolId>,
    /// The service account to impersonate [default: the pool's own principal]
    #[arg(long, value_name = "EMAIL", requires = "gcp_project_number")]
    gcp_service_account: Option<ServiceAccount>,
    /// The region for tools
    #[arg(long, value_name = "REGION", requires = "gcp_project_number")]
    gcp_region: Option<Region>,
    /// The lifetime of a service account's tokens, e.g. 1h
    #[arg(long, value_name = "DURATION", requires = "gcp_service_account")]
    gcp_token_lifetime: Option<CloudDuration<600, 43_200>>,
    /// A scope of access tokens; may be repeated [default: cloud-platform]
    #[arg(long = "gcp-scope", value_name = "URL", requires = "gcp_project_number")]
    gcp_scopes: Vec<Scope>,
    /// The audience of the run's token [default: https://iam.googleapis.com/ and the provider's name]
    #[arg(long, value_name = "AUDIENCE", value_parser = audience, requires = "gcp_project_number")]
    gcp_audience: Option<Audience>,
}

#[derive(Args, Default)]
pub(in crate::cli) struct CloudFlags {
    #[command(flatten)]
    pub(in crate::cli) aws: AwsFlags,
    #[command(flatten)]
    pub(in crate::cli) azure: AzureFlags,
    #[command(flatten)]
    pub(in crate::cli) gcp: GcpFlags,
}

impl AwsFlags {
    pub(in crate::cli) fn settings(self) -> Result<Option<AwsSettings>, Failure> {
        let Some(role_arn) = self.aws_role_arn else { return Ok(None) };
        at_most(MAX_POLICY_ARNS, "--aws-policy-arn", &self.aws_policy_arns)?;
        Ok(Some(AwsSettings {
            role_arn,
            session_name: self.aws_session_name,
            duration: self.aws_duration,
            policy_arns: self.aws_policy_arns,
            region: self.aws_region,
            audience: self.aws_audience,
        }))
    }
}

impl AzureFlags {
    pub(in crate::cli) fn settings(self) -> Option<AzureSettings> {
        Some(AzureSettings {
            client_id: self.azure_client_id?,
            tenant_id: self.azure_tenant_id?,
            subscription_id: self.azure_subscription_id,
            audience: self.azure_audience,
        })
    }
}

impl GcpFlags {
    pub(in crate::cli) fn settings(self) -> Result<Option<GcpSettings>, Failure> {
        let (Some(project_id), Some(workload_pool_id), Some(provider_id)) =
            (self.gcp_project_number, self.gcp_pool, self.gcp_provider)
        else {
            return Ok(None);
        };
        at_most(MAX_SCOPES, "--gcp-scope", &self.gcp_scopes)?;
        Ok(Some(GcpSettings {
            project_id,
            workload_pool_id,
            provider_id,
            service_account: self.gcp_service_account,
            region: self.gcp_region,
            token_lifetime: self.gcp_token_lifetime,
            scopes: self.gcp_scopes,
            audience: self.gcp_audience,
        }))
    }
}

impl CloudFlags {
    /// The settings of each cloud that has flags.
    pub(in crate::cli) fn settings(self) -> Result<CloudSettings, Failure> {
        Ok(CloudSettings {
            aws: self.aws.settings()?,
            azure: self.azure.settings(),
            gcp: self.gcp.settings()?,
        })
    }

    /// The same; clouds without flags are taken from the environment.
    pub(in crate::cli) fn settings_or_inherited(self) -> Result<CloudSettings, Failure> {
        Ok(self.settings()?.or(inherited()?))
    }
}

/// The settings in the environment.
pub(in crate::cli) fn inherited() -> Result<CloudSettings, Failure> {
    match variable(VARIABLE) {
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            Failure::usage(format!(
                "could not read the cloud settings in {VARIABLE}: {}",
                safe(&error.to_string())
            ))
        }),
        None => Ok(CloudSettings::default()),
    }
}

fn audience(text: &str) -> Result<Audience, String> {
    Audience::parse(text).map_err(|error| error.to_string())
}

fn at_most<T>(most: usize, flag: &str, given: &[T]) -> Result<(), Failure> {
    if given.len() > most {
        return Err(Failure::usage(format!("{flag} may be given at most {most} times")));
    }
    Ok(())
}
