//! AWS STS: AssumeRoleWithWebIdentity
//! (docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::xml::text_at;
use super::{ExchangeError, ExchangeRequest, form, is_token, passes_by_status};
use crate::settings::{AwsSettings, RoleArn, RoleSessionName};

const SERVICE: &str = "AWS STS";
const RESPONSE: &str = "AssumeRoleWithWebIdentityResponse";
const RESULT: &str = "AssumeRoleWithWebIdentityResult";

/// Temporary credentials (`Credentials` of the AWS STS API).
pub struct AwsCredentials {
    /// Not a secret by itself.
    pub access_key_id: String,
    pub secret_access_key: Zeroizing<String>,
    /// Every request must carry it.
    pub session_token: Zeroizing<String>,
    /// By the clock of STS.
    pub expires_at: Timestamp,
}

/// The STS endpoint of the region, or of the first region of the role's partition.
pub fn endpoint(role: &RoleArn, region: Option<&str>) -> String {
    let partition = role.as_str().split(':').nth(1).unwrap_or_default();
    let region = region.unwrap_or(match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    });
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{domain}")
}

/// Requests a session of the role. `endpoint` is an https origin such as [`endpoint`] returns.
pub fn request(
    endpoint: &str,
    settings: &AwsSettings,
    session_name: &RoleSessionName,
    token: &str,
) -> ExchangeRequest {
    let duration = settings.duration.map(|duration| duration.seconds().to_string());
    let policies: Vec<(String, &str)> = settings
        .policy_arns
        .iter()
        .zip(1..)
        .map(|(arn, number)| (format!("PolicyArns.member.{number}.arn"), arn.as_str()))
        .collect();
    let mut pairs = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", settings.role_arn.as_str()),
        ("RoleSessionName", session_name.as_str()),
        ("WebIdentityToken", token),
    ];
    pairs.extend(duration.as_deref().map(|seconds| ("DurationSeconds", seconds)));
    pairs.extend(policies.iter().map(|(name, arn)| (name.as_str(), *arn)));
    ExchangeRequest {
        url: format!("{}/", endpoint.trim_end_matches('/')),
        content_type: "application/x-www-form-urlencoded",
        accept: "text/xml",
        bearer: None,
        body: form(&pairs),
    }
}

/// Reads the XML answer to [`request`]. Errors if STS refuses the token or the answer is not complete.
pub fn read(status: u16, body: &[u8]) -> Result<AwsCredentials, ExchangeError> {
    let strange = ExchangeError::Strange { service: SERVICE, status };
    match status {
        200 => credentials(body).ok_or(strange),
        _ => Err(refusal(status, body).unwrap_or(strange)),
    }
}

fn credentials(body: &[u8]) -> Option<AwsCredentials> {
    let text = |name: &str| text_at(body, &[RESPONSE, RESULT, "Credentials", name]);
    let secret = |name: &str| text(name).map(Zeroizing::new).filter(|text| is_token(text));
    Some(AwsCredentials {
        access_key_id: text("AccessKeyId").filter(|text| is_token(text))?,
        secret_access_key: secret("SecretAccessKey")?,
        session_token: secret("SessionToken")?,
        expires_at: text("Expiration")?.trim().parse().ok()?,
    })
}

fn refusal(status: u16, body: &[u8]) -> Option<ExchangeError> {
    let text = |name: &str| text_at(body, &["ErrorResponse", "Error", name]);
    let (code, message) = (text("Code")?, text("Message").unwrap_or_default());
    let passing = passes(status, &code, &message);
    Some(ExchangeError::Refused { service: SERVICE, status, code, message, passing })
}

/// AWS asks callers to retry if the identity provider did not answer; the same fault may show as a missing key
/// (repost.aws/knowledge-center/iam-sts-invalididentitytoken).
fn passes(status: u16, code: &str, message: &str) -> bool {
    passes_by_status(status)
        || matches!(
            code,
            "IDPCommunicationError" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded"
        )
        || code == "InvalidIdentityToken" && message.contains("Couldn't retrieve verification key")
        // A changed trust policy takes time to propagate.
        || code == "AccessDenied" && message.contains("sts:AssumeRoleWithWebIdentity")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANSWER: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>runmint:deploy</SubjectFromWebIdentityToken>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/a/b</Arn><AssumedRoleId>X:b</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>session+/=</SessionToken>
      <SecretAccessKey>secret</SecretAccessKey>
      <Expiration>2026-11-21T10:00:00Z</Expiration>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#;

    fn settings(more: &serde_json::Value) -> AwsSettings {
        let mut settings = json!({"roleArn": "arn:aws:iam::123456789012:role/deploy"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    fn refused(status: u16, code: &str, message: &str) -> ExchangeError {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        let Err(error) = read(status, body.as_bytes()) else { panic!("it is refused") };
        error
    }

    #[test]
    fn requests_exactly_what_is_configured() {
        let name = "acme-1".parse().unwrap();
        let plain = request("https://sts.eu-central-1.amazonaws.com", &settings(&json!({})), &name, "a.b+c");
        assert_eq!(plain.url, "https://sts.eu-central-1.amazonaws.com/");
        assert_eq!(
            plain.body.as_str(),
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy\
             &RoleSessionName=acme-1&WebIdentityToken=a.b%2Bc"
        );
        let more = settings(
            &json!({"duration": "1h", "policyArns": ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"]}),
        );
        let more = request("https://x/", &more, &name, "t");
        assert!(
            more.body.ends_with(
                "&DurationSeconds=3600&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FA\
                 &PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FB"
            ),
            "{}",
            more.body.as_str()
        );
        assert_eq!(more.url, "https://x/");
    }

    #[test]
    fn uses_the_endpoint_of_the_region_or_of_the_roles_partition() {
        let at = |role: &str, region| endpoint(&role.parse().unwrap(), region);
        let (aws, china) = ("arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/a");
        assert_eq!(at(aws, Some("eu-central-1")), "https://sts.eu-central-1.amazonaws.com");
        assert_eq!(at(aws, None), "https://sts.us-east-1.amazonaws.com");
        assert_eq!(at(china, None), "https://sts.cn-north-1.amazonaws.com.cn");
        assert_eq!(
            at("arn:aws-us-gov:iam::123456789012:role/a", None),
            "https://sts.us-gov-west-1.amazonaws.com"
        );
    }

    #[test]
    fn reads_complete_credentials_only() {
        let Ok(read_in_full) = read(200, ANSWER.as_bytes()) else { panic!("it is an answer") };
        assert_eq!(read_in_full.access_key_id, "ASIAEXAMPLE");
        assert_eq!(read_in_full.secret_access_key.as_str(), "secret");
        assert_eq!(read_in_full.session_token.as_str(), "session+/=");
        assert_eq!(read_in_full.expires_at.to_string(), "2026-11-21T10:00:00Z");
        for (part, instead) in [
            ("secret", ""),
            ("secret", "a b"),
            ("ASIAEXAMPLE", "A\nB"),
            ("2026-11-21T10:00:00Z", "soon"),
            ("</Credentials>", ""),
            ("AssumeRoleWithWebIdentityResult>", "AssumeRoleResult>"),
        ] {
            assert!(read(200, ANSWER.replace(part, instead).as_bytes()).is_err(), "{part}");
        }
    }

    #[test]
    fn only_temporary_errors_are_retried() {
        let key = "Couldn&apos;t retrieve verification key from your identity provider, please reference";
        for (status, code, message, passing) in [
            (400, "IDPCommunicationError", "", true),
            (400, "InvalidIdentityToken", key, true),
            (400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for x", false),
            (400, "ExpiredTokenException", "Token expired", false),
            (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", true),
            (403, "AccessDenied", "Not authorized", false),
            (403, "IDPRejectedClaim", "", false),
            (400, "Throttling", "Rate exceeded", true),
            (500, "InternalFailure", "", true),
            (503, "ServiceUnavailable", "", true),
        ] {
            assert_eq!(refused(status, code, message).may_pass(), passing, "{code} {message}");
        }
        assert_eq!(
            refused(403, "AccessDenied", "Not authorized").to_string(),
            "AWS STS refuses: AccessDenied: Not authorized (HTTP 403)"
        );
        let Err(strange) = read(502, b"<html>") else { panic!("not an answer of STS") };
        assert!(strange.may_pass() && strange == ExchangeError::Strange { service: SERVICE, status: 502 });
    }
}
