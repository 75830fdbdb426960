use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::ACCOUNT;
use super::token::Identity;
use crate::clouds::sessions::Session;

/// A refusal in the words of STS.
#[derive(Clone, Debug)]
pub(super) struct StsError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl StsError {
    pub(super) fn new(status: u16, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned() }
    }

    pub(super) fn invalid_token(message: &str) -> Self {
        Self::new(400, "InvalidIdentityToken", message)
    }

    pub(super) fn validation(message: &str) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn not_a_jwt() -> Self {
        Self::invalid_token(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        )
    }

    /// One text for many reasons: unknown provider, wrong audience, wrong signature.
    pub(super) fn not_validated() -> Self {
        Self::invalid_token(
            "The web identity token provided could not be validated. See the AssumeRoleWithWebIdentity \
             documentation for requirements.",
        )
    }

    /// Both spaces are AWS's.
    pub(super) fn no_key() -> Self {
        Self::invalid_token(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
    }

    pub(super) fn access_denied() -> Self {
        Self::new(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    }

    pub(super) fn answer(&self) -> Response {
        let whose = if self.status >= 500 { "Receiver" } else { "Sender" };
        let (code, message) = (self.code, escape(&self.message));
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{whose}</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
        );
        xml(StatusCode::from_u16(self.status).unwrap(), body)
    }
}

pub(super) fn xml(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "text/xml")], body).into_response()
}

pub(super) fn assumed(identity: &Identity, session: &Session, secret: &str) -> String {
    let (role, name) = session.principal.rsplit_once('/').unwrap();
    let provider = identity.issuer.trim_start_matches("https://");
    let result = [
        ("SubjectFromWebIdentityToken", escape(&identity.subject)),
        ("Audience", escape(&identity.audience)),
        ("Provider", format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}")),
        (
            "AssumedRoleUser",
            element("Arn", &format!("{role}/{name}"))
                + &element("AssumedRoleId", &format!("AROASTANDIN:{name}")),
        ),
        (
            "Credentials",
            element("AccessKeyId", &access_key_id(secret))
                + &element("SecretAccessKey", &secret[..20])
                + &element("SessionToken", secret)
                + &element("Expiration", &session.expires_at.strftime("%FT%TZ").to_string()),
        ),
    ];
    respond("AssumeRoleWithWebIdentity", &result)
}

pub(super) fn caller(arn: &str) -> String {
    let result = [("Arn", arn.to_owned()), ("UserId", "AROASTANDIN".into()), ("Account", ACCOUNT.into())];
    respond("GetCallerIdentity", &result)
}

/// The access key id that belongs to a session token.
pub(super) fn access_key_id(secret: &str) -> String {
    format!("ASIA{}", secret.get(7..23).unwrap_or_default().to_uppercase())
}

fn respond(action: &str, result: &[(&str, String)]) -> String {
    let result: String = result.iter().map(|(name, content)| element(name, content)).collect();
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{}{}</{action}Response>",
        element(&format!("{action}Result"), &result),
        element("ResponseMetadata", &element("RequestId", "00000000-0000-4000-8000-000000000000")),
    )
}

fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
