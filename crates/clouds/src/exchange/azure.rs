//! Microsoft Entra ID: the client credentials flow with a client assertion
//! (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{AccessToken, ExchangeError, ExchangeRequest, description, form, oauth_token, passes_by_status};
use crate::settings::AzureSettings;

/// The authority of the public cloud.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";
const SERVICE: &str = "Microsoft Entra ID";

/// Errors that a retry may cure: a new federated credential takes minutes to propagate (no match: 70021, and its newer
/// codes 700211 to 700213), or the issuer did not answer.
const PASSING: &[i64] = &[70_021, 700_211, 700_212, 700_213, 50_166, 501_661, 90_061];

/// The scope of Azure Resource Manager in the cloud of this authority.
pub fn management_scope(authority: &str) -> &'static str {
    if authority.contains("login.microsoftonline.us") {
        "https://management.usgovcloudapi.net/.default"
    } else if authority.contains("login.partner.microsoftonline.cn")
        || authority.contains("login.chinacloudapi.cn")
    {
        "https://management.chinacloudapi.cn/.default"
    } else {
        "https://management.azure.com/.default"
    }
}

/// Requests an access token of `scope`, with the run's `token` as client assertion (RFC 7523 §2.2).
pub fn request(authority: &str, settings: &AzureSettings, scope: &str, token: &str) -> ExchangeRequest {
    ExchangeRequest {
        url: format!("{}/{}/oauth2/v2.0/token", authority.trim_end_matches('/'), settings.tenant_id),
        content_type: "application/x-www-form-urlencoded",
        accept: "application/json",
        bearer: None,
        body: form(&[
            ("grant_type", "client_credentials"),
            ("client_id", settings.client_id.as_str()),
            ("scope", scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token),
        ]),
    }
}

/// Reads the answer to [`request`], which was sent at `asked_at`. Errors if Entra refuses the token or the answer is
/// not a token.
pub fn read(status: u16, body: &[u8], asked_at: Timestamp) -> Result<AccessToken, ExchangeError> {
    let strange = ExchangeError::Strange { service: SERVICE, status };
    match status {
        200 => oauth_token(body, asked_at).ok_or(strange),
        _ => Err(refusal(status, body).unwrap_or(strange)),
    }
}

/// An error response (RFC 6749 §5.2), with the member that Entra adds.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default, deserialize_with = "description")]
    error_description: String,
    /// The numbers behind `AADSTS`.
    #[serde(default, deserialize_with = "numbers")]
    error_codes: Vec<i64>,
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(codes) => Ok(codes.iter().filter_map(Value::as_i64).collect()),
        _ => Ok(Vec::new()),
    }
}

fn refusal(status: u16, body: &[u8]) -> Option<ExchangeError> {
    let Refusal { error: code, error_description, error_codes } = serde_json::from_slice(body).ok()?;
    // Trace ids follow on further lines.
    let message = error_description.lines().next().unwrap_or_default().trim().to_owned();
    let passing = passes_by_status(status)
        || code == "temporarily_unavailable"
        || error_codes.iter().any(|code| PASSING.contains(code));
    Some(ExchangeError::Refused { service: SERVICE, status, code, message, passing })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(code: i64) -> ExchangeError {
        let body = json!({
            "error": "invalid_request",
            "error_description": format!("AADSTS{code}: No matching.\r\nTrace ID: 1"),
            "error_codes": [code],
        });
        let Err(error) = read(400, body.to_string().as_bytes(), Timestamp::UNIX_EPOCH) else {
            panic!("refused")
        };
        error
    }

    #[test]
    fn requests_tokens_as_azures_own_libraries_do() {
        let settings = serde_json::from_value(json!({
            "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        }));
        let scope = management_scope(AUTHORITY);
        let asked = request("https://login.microsoftonline.com/", &settings.unwrap(), scope, "a.b.c");
        assert_eq!(
            asked.url,
            "https://login.microsoftonline.com/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/oauth2/v2.0/token"
        );
        assert_eq!(
            asked.body.as_str(),
            "grant_type=client_credentials&client_id=11111111-2222-3333-4444-555555555555\
             &scope=https%3A%2F%2Fmanagement.azure.com%2F.default\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
        );
        assert!(management_scope("https://login.microsoftonline.us/").contains("usgovcloudapi"));
        assert!(management_scope("https://login.partner.microsoftonline.cn").contains("chinacloudapi"));
    }

    #[test]
    fn only_temporary_errors_are_retried() {
        for code in PASSING {
            assert!(refused(*code).may_pass(), "{code}");
        }
        for code in [700_016, 700_024, 700_027, 700_221, 900_610, 50_027] {
            assert!(!refused(code).may_pass(), "{code}");
        }
        assert_eq!(
            refused(700_016).to_string(),
            "Microsoft Entra ID refuses: invalid_request: AADSTS700016: No matching. (HTTP 400)"
        );
    }
}
