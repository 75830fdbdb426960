//! The variables of the Azure SDKs (learn.microsoft.com/azure/developer/intro/azure-service-sdk-tool-overview) and
//! Terraform's azurerm (registry.terraform.io/providers/hashicorp/azurerm/latest/docs/guides/service_principal_oidc).

use std::path::Path;

use super::{Handover, LocalEndpoint};
use crate::exchange::AccessToken;
use crate::exchange::azure::AUTHORITY;
use crate::settings::{AzureSettings, Guid};

/// Variables that would take precedence over the new ones or replace them.
const CONTRADICTING: &[&str] = &[
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN",
    "ARM_CLIENT_SECRET",
    "ARM_CLIENT_SECRET_FILE_PATH",
    "ARM_CLIENT_CERTIFICATE",
    "ARM_CLIENT_CERTIFICATE_PATH",
    "ARM_CLIENT_CERTIFICATE_PASSWORD",
    "ARM_CLIENT_ID_FILE_PATH",
    "ARM_OIDC_TOKEN",
    // Read only once, when the provider starts: its token would expire within the hour.
    "ARM_OIDC_TOKEN_FILE_PATH",
    "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID",
    "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID",
    "ARM_USE_AKS_WORKLOAD_IDENTITY",
    "ARM_USE_MSI",
];

/// How Azure clients get credentials.
pub struct AzureForm<'a> {
    /// For the SDKs, which read tokens from files only.
    pub token_file: Option<&'a Path>,
    /// Set as `AZURE_ACCESS_TOKEN`, because Azure's tools share no variable for it.
    pub access_token: Option<&'a AccessToken>,
    /// For azurerm, which requests a token for each access token.
    pub endpoint: &'a LocalEndpoint,
    /// The inherited authority, for clouds other than the public one.
    pub authority: Option<&'a str>,
}

/// Sets the variables.
pub fn hand_over(handover: &mut Handover, settings: &AzureSettings, form: &AzureForm<'_>) {
    handover.take_out(CONTRADICTING);
    for family in ["AZURE", "ARM"] {
        handover.set(&format!("{family}_CLIENT_ID"), settings.client_id.as_str());
        handover.set(&format!("{family}_TENANT_ID"), settings.tenant_id.as_str());
        if let Some(subscription) = settings.subscription_id.as_ref().map(Guid::as_str) {
            handover.set(&format!("{family}_SUBSCRIPTION_ID"), subscription);
        }
    }
    let authority = form.authority.unwrap_or(AUTHORITY);
    handover.set("AZURE_AUTHORITY_HOST", format!("{}/", authority.trim_end_matches('/')));
    handover.set("ARM_USE_OIDC", "true");
    handover.set("ARM_OIDC_REQUEST_URL", form.endpoint.id_token_url_for(settings.audience()));
    handover.set("ARM_OIDC_REQUEST_TOKEN", form.endpoint.token.as_str());
    if let Some(path) = form.token_file {
        handover.set("AZURE_FEDERATED_TOKEN_FILE", path.display().to_string());
    }
    if let Some(token) = form.access_token {
        handover.set("AZURE_ACCESS_TOKEN", token.token.as_str());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{endpoint, lines};
    use super::*;

    #[test]
    fn sdks_get_a_file_and_azurerm_a_url_with_the_audience() {
        let settings = serde_json::from_value(json!({
            "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "subscriptionId": "01234567-89ab-cdef-0123-456789abcdef",
        }));
        let endpoint = endpoint();
        let form = AzureForm {
            token_file: Some(Path::new("/run/azure.jwt")),
            access_token: None,
            endpoint: &endpoint,
            authority: None,
        };
        let mut handover = Handover::default();
        hand_over(&mut handover, &settings.unwrap(), &form);
        let expected = [
            "ARM_CLIENT_ID=11111111-2222-3333-4444-555555555555",
            "ARM_OIDC_REQUEST_TOKEN=local",
            "ARM_OIDC_REQUEST_URL=http://127.0.0.1:4242/id-token?api-version=1&audience=api%3A%2F%2FAzureADTokenExchange",
            "ARM_SUBSCRIPTION_ID=01234567-89ab-cdef-0123-456789abcdef",
            "ARM_TENANT_ID=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "ARM_USE_OIDC=true",
            "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/",
            "AZURE_CLIENT_ID=11111111-2222-3333-4444-555555555555",
            "AZURE_FEDERATED_TOKEN_FILE=/run/azure.jwt",
            "AZURE_SUBSCRIPTION_ID=01234567-89ab-cdef-0123-456789abcdef",
            "AZURE_TENANT_ID=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        ];
        assert_eq!(lines(&handover), expected);
        let secrets = handover.taken_out_of(&|name| name.ends_with("_SECRET").then(String::new));
        assert_eq!(secrets, ["ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"]);
    }
}
