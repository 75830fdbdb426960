//! The variables of the AWS SDKs, the AWS CLI and tools built on them
//! (docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html).

use std::path::Path;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::{Handover, LocalEndpoint};
use crate::exchange::aws::AwsCredentials;
use crate::settings::{AwsSettings, Region, RoleArn, RoleSessionName};

/// Variables that would take precedence over the new ones or contradict them.
const CONTRADICTING: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// How AWS clients get credentials.
pub enum AwsForm<'a> {
    /// The SDK exchanges the token in this file for each session.
    TokenFile { path: &'a Path, session_name: &'a RoleSessionName },
    /// The SDK asks the local endpoint for credentials. Nothing is on disk.
    Endpoint(&'a LocalEndpoint),
    /// The credentials themselves, which are not renewed.
    Credentials(&'a AwsCredentials),
}

/// Sets the variables. `region` applies if the settings name none.
pub fn hand_over(handover: &mut Handover, settings: &AwsSettings, form: &AwsForm<'_>, region: Option<&str>) {
    handover.take_out(CONTRADICTING);
    // boto3 and the AWS CLI v1 read only the second, other clients only the first.
    if let Some(region) = settings.region.as_ref().map(Region::as_str).or(region) {
        handover.set("AWS_REGION", region);
        handover.set("AWS_DEFAULT_REGION", region);
    }
    match form {
        AwsForm::TokenFile { path, session_name } => {
            handover.set("AWS_WEB_IDENTITY_TOKEN_FILE", path.display().to_string());
            handover.set("AWS_ROLE_ARN", settings.role_arn.as_str());
            // The AWS CLI caches sessions in ~/.aws/cli/cache by role and session name: another run with the same name
            // would use this run's session.
            handover.set("AWS_ROLE_SESSION_NAME", session_name.as_str());
        }
        AwsForm::Endpoint(endpoint) => {
            handover.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.aws_url());
            handover.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", endpoint.authorization().as_str());
        }
        AwsForm::Credentials(credentials) => {
            handover.set("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str());
            handover.set("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.as_str());
            handover.set("AWS_SESSION_TOKEN", credentials.session_token.as_str());
            handover.set("AWS_CREDENTIAL_EXPIRATION", credentials.expires_at.to_string());
        }
    }
}

/// The name of the file under `~/.aws/cli/cache` in which the AWS CLI keeps the session, as botocore makes it
/// (`_create_cache_key` in its credentials.py): SHA-1 of the arguments, without the token. No variable moves that
/// folder.
pub fn cli_cache_file(role: &RoleArn, session_name: &RoleSessionName) -> String {
    // Neither holds a character that JSON would escape.
    let arguments = format!(r#"{{"RoleArn": "{role}", "RoleSessionName": "{session_name}"}}"#);
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, arguments.as_bytes());
    format!("{}.json", hex::encode(hash.as_ref()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{endpoint, lines};
    use super::*;

    fn settings(region: Option<&str>) -> AwsSettings {
        let settings = json!({"roleArn": "arn:aws:iam::123456789012:role/deploy", "region": region});
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn a_token_file_comes_with_role_session_name_and_both_region_variables() {
        let name = "acme-1".parse().unwrap();
        let form = AwsForm::TokenFile { path: Path::new("/run/aws.jwt"), session_name: &name };
        let mut handover = Handover::default();
        hand_over(&mut handover, &settings(None), &form, Some("eu-central-1"));
        let expected = [
            "AWS_DEFAULT_REGION=eu-central-1",
            "AWS_REGION=eu-central-1",
            "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/deploy",
            "AWS_ROLE_SESSION_NAME=acme-1",
            "AWS_WEB_IDENTITY_TOKEN_FILE=/run/aws.jwt",
        ];
        assert_eq!(lines(&handover), expected);
        assert_eq!(
            handover
                .taken_out_of(&|name| (name.ends_with("KEY_ID") || name.ends_with("ARN")).then(String::new)),
            ["AWS_ACCESS_KEY_ID"]
        );
    }

    #[test]
    fn the_local_endpoint_replaces_every_other_source() {
        let mut handover = Handover::default();
        hand_over(
            &mut handover,
            &settings(Some("eu-west-1")),
            &AwsForm::Endpoint(&endpoint()),
            Some("us-east-1"),
        );
        let expected = [
            "AWS_CONTAINER_AUTHORIZATION_TOKEN=Bearer local",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:4242/aws/credentials",
            "AWS_DEFAULT_REGION=eu-west-1",
            "AWS_REGION=eu-west-1",
        ];
        assert_eq!(lines(&handover), expected);
    }

    /// `hashlib.sha1(json.dumps(arguments, sort_keys=True).encode()).hexdigest()`.
    #[test]
    fn the_cache_file_has_the_name_that_the_aws_cli_gives_it() {
        let role = "arn:aws:iam::123456789012:role/deploy".parse().unwrap();
        let name = cli_cache_file(&role, &"acme-1".parse().unwrap());
        assert_eq!(name, "5280abef50f3727c97d2cd5e628a895ed30b4d32.json");
    }
}
