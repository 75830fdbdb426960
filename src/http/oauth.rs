//! `POST /api/oauth/token`: token exchange (RFC 8693), with the fields of Pulumi Cloud's.
//!
//! Refusals have the form of RFC 6749 §5.2, and in `reason` a word for programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::peer::CallerAddress;
use super::problem::Problem;
use super::runs::render_started;
use crate::flows::exchange_token::{ExchangeError, Exchanged, Gain, TokenRequest, exchange_token};
use crate::flows::mint_id_token::MintError;
use crate::flows::principals::is_name;
use crate::flows::start_run::{StartRunError, StartedRun};
use crate::trust::policy::evaluation::Asked;
use crate::trust::policy::run::RunRequest;
use crate::trust::token::RefusalClass;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const FIELDS: &[&str] = &[
    "grant_type",
    "audience",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "scope",
    "expiration",
    // Of a run: its service, its attributes as a JSON object, and whom its ID token is for.
    "service",
    "attributes",
    "id_token_audience",
];

/// A refusal of RFC 6749 §5.2.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    reason: &'static str,
    description: String,
}

pub async fn token(
    State(api): State<Arc<Api>>,
    CallerAddress(caller): CallerAddress,
    body: UnreadBody,
) -> Response {
    let fields = match body.fields(&api).await {
        Ok(fields) => fields.map_err(Refusal::form),
        Err(problem) => return problem.into_response(),
    };
    let request = match fields.and_then(|fields| read(fields, caller)) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let dialect = request.dialect;
    let asked = request.asked.clone();
    match exchange_token(&api.app, request).await {
        Ok(exchanged) => answer(&api, &asked, dialect, exchanged),
        Err(error) => refuse(error),
    }
}

fn read(mut fields: BTreeMap<String, String>, caller: String) -> Result<TokenRequest, Refusal> {
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Refusal::form(format!("unknown field `{unknown}`; known here: {}", FIELDS.join(", "))));
    }
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    match take("grant_type").as_deref() {
        Some(TOKEN_EXCHANGE) => {}
        _ => {
            return Err(Refusal::new(
                "unsupported_grant_type",
                "unsupported_grant_type",
                format!("grant_type is {TOKEN_EXCHANGE}"),
            ));
        }
    }
    if take("subject_token_type").is_none_or(|kind| kind != ID_TOKEN) {
        return Err(Refusal::form(format!("subject_token_type is {ID_TOKEN}")));
    }
    let subject_token =
        take("subject_token").ok_or_else(|| Refusal::form("subject_token is missing".into()))?;
    let audience = take("audience").unwrap_or_default();
    let organization = ["urn:runmint:org:", "urn:pulumi:org:"]
        .iter()
        .find_map(|prefix| audience.strip_prefix(prefix))
        .ok_or_else(|| {
            let description = "audience is urn:runmint:org:ORG or urn:pulumi:org:ORG";
            Refusal::new("invalid_target", "audience", description.into())
        })?;
    let requested = take("requested_token_type").unwrap_or_default();
    let scope = take("scope").unwrap_or_default();
    let service = take("service");
    let attributes = take("attributes");
    let id_token_audience = take("id_token_audience");
    let (asked, dialect) = if requested == ID_TOKEN {
        if !scope.is_empty() {
            return Err(Refusal::scope("a run has no scope"));
        }
        let attributes = attributes.as_deref().unwrap_or("{}");
        let attributes = attributes_of(attributes)?;
        let audiences = id_token_audience.into_iter().collect();
        let service = service.unwrap_or_else(|| "deploy".to_owned());
        (Asked::Run(RunRequest { service, audiences, attributes }), "urn:runmint")
    } else {
        if service.or(attributes).or(id_token_audience).is_some() {
            let description =
                format!("service, attributes and id_token_audience go with requested_token_type {ID_TOKEN}");
            return Err(Refusal::form(description));
        }
        asked_for(&requested, &scope)?
    };
    let expiration_seconds = match take("expiration").map(|text| text.parse::<i64>()) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Err(Refusal::form("expiration is a whole number of seconds".into())),
    };
    let organization = organization.to_owned();
    Ok(TokenRequest { organization, subject_token, asked, dialect, expiration_seconds, caller })
}

fn asked_for(requested: &str, scope: &str) -> Result<(Asked, &'static str), Refusal> {
    let known = ["urn:runmint", "urn:pulumi"].into_iter().find_map(|dialect| {
        let kind = requested.strip_prefix(dialect)?.strip_prefix(":token-type:access_token:")?;
        Some((dialect, kind))
    });
    let (dialect, kind) = known.ok_or_else(|| {
        Refusal::form(format!(
            "requested_token_type is urn:runmint:token-type:access_token:KIND (or urn:pulumi:…) with organization, team, personal or runner, or {ID_TOKEN}"
        ))
    })?;
    let named = |prefix: &str| {
        let name = scope.strip_prefix(prefix).filter(|name| is_name(name)).map(str::to_owned);
        let expected = "with a name of 1 to 100 letters, digits and -_.@";
        name.ok_or_else(|| Refusal::scope(&format!("scope is {prefix}NAME, {expected}")))
    };
    let asked = match kind {
        "organization" => match scope {
            "" => Asked::Organization { admin: false },
            "admin" => Asked::Organization { admin: true },
            _ => return Err(Refusal::scope("scope is empty or admin")),
        },
        "team" => Asked::Team { name: named("team:")? },
        "personal" => Asked::Personal { name: named("user:")? },
        "runner" => Asked::Runner { name: named("runner:")? },
        _ => return Err(Refusal::form("there is no such kind of access token".into())),
    };
    Ok((asked, dialect))
}

fn attributes_of(text: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let mut json = serde_json::Deserializer::from_str(text);
    let attributes = runmint_json::unique(&mut json).and_then(|map| json.end().map(|()| map));
    attributes.map_err(|error| Refusal::form(format!("attributes is a JSON object of strings: {error}")))
}

fn answer(api: &Api, asked: &Asked, dialect: &str, exchanged: Exchanged) -> Response {
    let scope = match asked {
        Asked::Organization { admin: true } => "admin".to_owned(),
        Asked::Organization { admin: false } | Asked::Run(_) => String::new(),
        Asked::Team { name } => format!("team:{name}"),
        Asked::Personal { name } => format!("user:{name}"),
        Asked::Runner { name } => format!("runner:{name}"),
    };
    let mut body = match exchanged.gain {
        Gain::AccessToken(secret) => json!({
            "access_token": secret.expose(),
            "issued_token_type": format!("{dialect}:token-type:access_token:{}", asked.token_type()),
            "token_type": "token",
        }),
        Gain::Run { run, request_token, id_token } => {
            let run = render_started(&api.app, &StartedRun { run: *run, request_token });
            // RFC 8693 §2.2.1: a token that is no access token has the type N_A.
            json!({"access_token": id_token, "issued_token_type": ID_TOKEN, "token_type": "N_A", "run": run})
        }
    };
    body["expires_in"] = exchanged.expires_in_seconds.into();
    body["scope"] = scope.into();
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}

fn refuse(error: ExchangeError) -> Response {
    let (code, reason) = match &error {
        ExchangeError::IssuerUnknown => ("invalid_request", "issuer_unknown"),
        ExchangeError::DiscoveryUnreachable(why) => {
            tracing::warn!(error = why.with_causes(), "exchange refused: the issuer has no keys for us");
            ("invalid_request", "discovery_unreachable")
        }
        ExchangeError::Token(error) => ("invalid_request", reason(error.class())),
        ExchangeError::NoPolicyMatched => ("invalid_request", "no_policy_matched"),
        ExchangeError::DeniedByPolicy => ("invalid_request", "denied_by_policy"),
        ExchangeError::Reused => ("invalid_request", "token_reused"),
        ExchangeError::Expiration => ("invalid_request", "expiration"),
        ExchangeError::NoSuchPrincipal { .. } => ("invalid_scope", "no_such_principal"),
        ExchangeError::Run(error)
            if !matches!(error, StartRunError::Store(_) | StartRunError::CloudSettings(_)) =>
        {
            ("invalid_request", "run")
        }
        ExchangeError::ChosenIdentity(_)
        | ExchangeError::Mint(
            MintError::Audience(_)
            | MintError::AudienceNotAllowed { .. }
            | MintError::Shape { .. }
            | MintError::Lifetime(_),
        ) => ("invalid_request", "run"),
        ExchangeError::Changed => {
            let mut response = Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "temporarily_unavailable",
                reason: "changed",
                description: error.to_string(),
            }
            .into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        }
        ExchangeError::Run(_)
        | ExchangeError::Mint(_)
        | ExchangeError::Policies(_)
        | ExchangeError::Store(_) => {
            return Problem::from(error).into_response();
        }
    };
    Refusal::new(code, reason, error.to_string()).into_response()
}

fn reason(class: RefusalClass) -> &'static str {
    match class {
        RefusalClass::Malformed => "malformed",
        RefusalClass::Issuer => "issuer_unknown",
        RefusalClass::UnknownKey => "unknown_key",
        RefusalClass::Signature => "signature",
        RefusalClass::Expired => "expired",
        RefusalClass::NotYetValid => "not_yet_valid",
        RefusalClass::Lifetime => "lifetime",
        RefusalClass::Audience => "audience_mismatch",
    }
}

impl Refusal {
    fn new(error: &'static str, reason: &'static str, description: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, reason, description }
    }

    fn form(description: String) -> Self {
        Self::new("invalid_request", "form", description)
    }

    fn scope(description: &str) -> Self {
        Self::new("invalid_scope", "scope", description.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // RFC 6749 §5.2 leaves out what would need escaping.
        let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '\'' };
        let description: String = self.description.chars().map(plain).collect();
        let body: Value =
            json!({"error": self.error, "error_description": description, "reason": self.reason});
        (self.status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
    }
}
