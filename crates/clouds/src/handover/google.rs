//! The variables of Google's libraries, gcloud and Terraform, and the credential configuration that they name
//! (google.aip.dev/auth/4117).

use std::path::Path;

use serde_json::{Value, json};

use super::Handover;
use crate::exchange::AccessToken;
use crate::exchange::google::{GoogleEndpoints, TOKEN_TYPE};
use crate::settings::GcpSettings;

/// Variables that would take precedence over the new ones or replace them.
const CONTRADICTING: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_CLOUD_KEYFILE_JSON",
    "GCLOUD_KEYFILE_JSON",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
];

/// Where Google's libraries get the run's token for each access token.
pub enum TokenSource<'a> {
    /// The local endpoint, with the value of the header `Authorization`.
    Url { url: &'a str, authorization: &'a str },
    /// A token file, which is kept fresh.
    File(&'a Path),
}

/// How Google clients get credentials.
pub enum GoogleForm<'a> {
    /// The credential configuration in this file.
    Configuration(&'a Path),
    /// The access token itself, which is not renewed.
    AccessToken(&'a AccessToken),
}

/// Sets the variables.
pub fn hand_over(handover: &mut Handover, settings: &GcpSettings, form: &GoogleForm<'_>) {
    handover.take_out(CONTRADICTING);
    match form {
        GoogleForm::Configuration(path) => {
            // Terraform and Pulumi read the last one, which may be a path or the configuration itself.
            for name in [
                "GOOGLE_APPLICATION_CREDENTIALS",
                "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
                "GOOGLE_CREDENTIALS",
            ] {
                handover.set(name, path.display().to_string());
            }
        }
        GoogleForm::AccessToken(token) => {
            for name in ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"] {
                handover.set(name, token.token.as_str());
            }
        }
    }
    if let Some(region) = &settings.region {
        for name in ["GOOGLE_REGION", "CLOUDSDK_COMPUTE_REGION"] {
            handover.set(name, region.as_str());
        }
    }
}

/// The credential configuration, of type `external_account`.
pub fn configuration(endpoints: &GoogleEndpoints, settings: &GcpSettings, source: &TokenSource<'_>) -> Value {
    let credential_source = match source {
        TokenSource::Url { url, authorization } => json!({
            "url": url,
            "headers": {"Authorization": authorization},
            "format": {"type": "json", "subject_token_field_name": "value"},
        }),
        TokenSource::File(path) => json!({"file": path.display().to_string(), "format": {"type": "text"}}),
    };
    let mut configuration = json!({
        "type": "external_account",
        "audience": settings.provider_resource(),
        "subject_token_type": TOKEN_TYPE,
        "token_url": endpoints.token_url,
        "token_info_url": endpoints.token_info_url(),
        "credential_source": credential_source,
    });
    if let Some(account) = &settings.service_account {
        configuration["service_account_impersonation_url"] = endpoints.impersonation_url(account).into();
        if let Some(lifetime) = settings.token_lifetime {
            configuration["service_account_impersonation"] =
                json!({"token_lifetime_seconds": lifetime.seconds()});
        }
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::super::tests::{endpoint, lines};
    use super::*;
    use crate::exchange::google::DEFAULT_UNIVERSE;

    fn settings() -> GcpSettings {
        let settings = json!({
            "projectId": "42", "workloadPoolId": "pool", "providerId": "provider", "region": "europe-west4",
            "serviceAccount": "deploy@acme.iam.gserviceaccount.com", "tokenLifetime": "30m",
        });
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn the_configuration_names_the_local_endpoint() {
        let (endpoint, settings) = (endpoint(), settings());
        let (url, authorization) =
            (endpoint.id_token_url_for(&settings.audience()), endpoint.authorization());
        let source = TokenSource::Url { url: &url, authorization: &authorization };
        let audience =
            "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/pool/providers/provider";
        assert_eq!(
            configuration(&GoogleEndpoints::of_universe(DEFAULT_UNIVERSE), &settings, &source),
            json!({
                "type": "external_account",
                "audience": audience,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
                "token_info_url": "https://sts.googleapis.com/v1/introspect",
                "credential_source": {
                    "url": "http://127.0.0.1:4242/id-token?api-version=1&audience=https%3A%2F%2Fiam.googleapis.com%2Fprojects%2F42\
                            %2Flocations%2Fglobal%2FworkloadIdentityPools%2Fpool%2Fproviders%2Fprovider",
                    "headers": {"Authorization": "Bearer local"},
                    "format": {"type": "json", "subject_token_field_name": "value"},
                },
                "service_account_impersonation_url":
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/deploy@acme.iam.gserviceaccount.com:generateAccessToken",
                "service_account_impersonation": {"token_lifetime_seconds": 1800},
            })
        );
    }

    #[test]
    fn every_tool_finds_the_configuration_under_its_own_name() {
        let mut handover = Handover::default();
        hand_over(&mut handover, &settings(), &GoogleForm::Configuration(Path::new("/run/google.json")));
        let expected = [
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=/run/google.json",
            "CLOUDSDK_COMPUTE_REGION=europe-west4",
            "GOOGLE_APPLICATION_CREDENTIALS=/run/google.json",
            "GOOGLE_CREDENTIALS=/run/google.json",
            "GOOGLE_REGION=europe-west4",
        ];
        assert_eq!(lines(&handover), expected);
    }
}
