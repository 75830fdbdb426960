//! `runmint credentials aws`

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::means::{Means, exports, json_line};
use crate::cli::clouds::handover::flags::{AwsFlags, inherited};
use crate::cli::clouds::handover::run_names::run_names;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::print_text;
use crate::clouds::exchange::aws::AwsCredentials;
use crate::clouds::handover::Handover;
use crate::clouds::handover::aws::{AwsForm, hand_over};
use crate::clouds::session_name::session_name;
use crate::clouds::settings::AwsSettings;

/// Inside a run: exchange its token for AWS credentials and print them
///
/// Calls AssumeRoleWithWebIdentity at the region's STS endpoint, or at AWS_ENDPOINT_URL_STS.
#[derive(Args)]
#[command(after_help = "Examples:
  eval \"$(runmint credentials aws --aws-role-arn arn:aws:iam::123456789012:role/deploy --format env)\"

  As a credential process in ~/.aws/config, which SDKs start again when credentials expire:
  [profile run]
  credential_process = runmint credentials aws --aws-role-arn arn:aws:iam::123456789012:role/deploy")]
pub(in crate::cli) struct Aws {
    /// The output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    flags: AwsFlags,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// The JSON that SDKs expect from a credential_process
    #[default]
    Process,
    /// Lines for a shell to evaluate
    Env,
    /// One JSON document
    Json,
}

/// The output of a credential process (docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfProcess<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

/// `--format json`
#[derive(Serialize)]
struct Document<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expires_at: String,
}

impl Aws {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let settings = match self.flags.settings()? {
            Some(settings) => settings,
            None => inherited()?.aws.ok_or_else(|| {
                Failure::usage("no AWS role is set: use --aws-role-arn, or RUNMINT_CLOUD_SETTINGS with `aws`")
            })?,
        };
        let means = Means::find()?;
        let name = if let Some(name) = &settings.session_name {
            name.clone()
        } else {
            let token = means.tokens.first_token(settings.audience(), None).await?;
            means.masking.learn(&token.text);
            session_name(&run_names(&token.claims, variable("RUNMINT_RUN_ID").as_deref()))
        };
        let credentials = means.exchanges.aws(&settings, &name).await?;
        print_text(&self.format.text(&settings, &credentials, means.endpoints.region.as_deref()))
    }
}

impl Format {
    fn text(self, settings: &AwsSettings, credentials: &AwsCredentials, region: Option<&str>) -> String {
        let AwsCredentials { access_key_id, secret_access_key, session_token, expires_at } = credentials;
        match self {
            Self::Process => json_line(&OfProcess {
                version: 1,
                access_key_id,
                secret_access_key,
                session_token,
                expiration: expires_at.to_string(),
            }),
            Self::Env => {
                let mut handover = Handover::default();
                hand_over(&mut handover, settings, &AwsForm::Credentials(credentials), region);
                exports(handover.changes().filter_map(|(name, value)| Some((name, value?))))
            }
            Self::Json => json_line(&Document {
                access_key_id,
                secret_access_key,
                session_token,
                expires_at: expires_at.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn each_format_has_everything_its_reader_needs() {
        let credentials = AwsCredentials {
            access_key_id: "ASIA".into(),
            secret_access_key: Zeroizing::new("s/+=".into()),
            session_token: Zeroizing::new("t".into()),
            expires_at: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let settings =
            serde_json::from_value(json!({"roleArn": "arn:aws:iam::123456789012:role/deploy"})).unwrap();
        let text = |format: Format| format.text(&settings, &credentials, Some("eu-west-1"));
        let process: Value = serde_json::from_str(&text(Format::Process)).unwrap();
        let expected = json!({
            "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s/+=", "SessionToken": "t",
            "Expiration": "2026-11-21T10:00:00Z",
        });
        assert_eq!(process, expected);
        assert_eq!(
            text(Format::Env),
            "export AWS_ACCESS_KEY_ID='ASIA'\nexport AWS_CREDENTIAL_EXPIRATION='2026-11-21T10:00:00Z'\n\
             export AWS_DEFAULT_REGION='eu-west-1'\nexport AWS_REGION='eu-west-1'\n\
             export AWS_SECRET_ACCESS_KEY='s/+='\nexport AWS_SESSION_TOKEN='t'\n"
        );
    }
}
