//! `POST /api/oauth/token`: token exchange (RFC 8693), with the fields of Pulumi Cloud's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Api;
use super::body::UnreadBody;
use super::peer::CallerAddress;
use super::problem::exchange::TokenRefusal;
use super::runs::render_started;
use crate::api::oauth::{
    self as wire, AnsweredTokenType, ExchangeErrorCode as Code, ExchangeRefusalReason as Reason, ID_TOKEN,
    TOKEN_EXCHANGE, TokenAnswer,
};
use crate::flows::exchange_token::{Exchanged, Gain, TokenRequest, exchange_token};
use crate::flows::principals::is_name;
use crate::flows::start_run::StartedRun;
use crate::trust::policy::evaluation::Asked;
use crate::trust::policy::run::RunRequest;

/// The members of [`wire::TokenRequest`].
const FIELDS: &[&str] = &[
    "grant_type",
    "audience",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "scope",
    "expiration",
    "service",
    "attributes",
    "id_token_audience",
];

pub async fn token(
    State(api): State<Arc<Api>>,
    CallerAddress(caller): CallerAddress,
    body: UnreadBody<wire::TokenRequest>,
) -> Result<Json<TokenAnswer>, TokenRefusal> {
    let fields = body.fields(&api).await?.map_err(TokenRefusal::form)?;
    let request = read(fields, caller)?;
    let dialect = request.dialect;
    let asked = request.asked.clone();
    let exchanged = exchange_token(&api.app, request).await?;
    Ok(Json(answer(&api, &asked, dialect, exchanged)))
}

fn read(mut fields: BTreeMap<String, String>, caller: String) -> Result<TokenRequest, TokenRefusal> {
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(TokenRefusal::form(format!(
            "unknown field `{unknown}`; known fields: {}",
            FIELDS.join(", ")
        )));
    }
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    if take("grant_type").is_none_or(|kind| kind != TOKEN_EXCHANGE) {
        let description = format!("grant_type must be {TOKEN_EXCHANGE}");
        return Err(TokenRefusal::new(
            Code::UnsupportedGrantType,
            Reason::UnsupportedGrantType,
            &description,
        ));
    }
    if take("subject_token_type").is_none_or(|kind| kind != ID_TOKEN) {
        return Err(TokenRefusal::form(format!("subject_token_type must be {ID_TOKEN}")));
    }
    let subject_token =
        take("subject_token").ok_or_else(|| TokenRefusal::form("subject_token is missing"))?;
    let audience = take("audience").unwrap_or_default();
    let organization = ["urn:runmint:org:", "urn:pulumi:org:"]
        .iter()
        .find_map(|prefix| audience.strip_prefix(prefix))
        .ok_or_else(|| {
            let description = "audience must be urn:runmint:org:ORG or urn:pulumi:org:ORG";
            TokenRefusal::new(Code::InvalidTarget, Reason::Audience, description)
        })?;
    let requested = take("requested_token_type").unwrap_or_default();
    let scope = take("scope").unwrap_or_default();
    let service = take("service");
    let attributes = take("attributes");
    let id_token_audience = take("id_token_audience");
    let (asked, dialect) = if requested == ID_TOKEN {
        if !scope.is_empty() {
            return Err(TokenRefusal::scope("scope must be empty for a run"));
        }
        let attributes = attributes.as_deref().unwrap_or("{}");
        let attributes = attributes_of(attributes)?;
        let audiences = id_token_audience.into_iter().collect();
        let service = service.unwrap_or_else(|| "deploy".to_owned());
        (Asked::Run(RunRequest { service, audiences, attributes }), "urn:runmint")
    } else {
        if service.or(attributes).or(id_token_audience).is_some() {
            let description =
                format!("service, attributes and id_token_audience need requested_token_type {ID_TOKEN}");
            return Err(TokenRefusal::form(description));
        }
        asked_for(&requested, &scope)?
    };
    let expiration_seconds = match take("expiration").map(|text| text.parse::<i64>()) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Err(TokenRefusal::form("expiration must be a whole number of seconds")),
    };
    let organization = organization.to_owned();
    Ok(TokenRequest { organization, subject_token, asked, dialect, expiration_seconds, caller })
}

fn asked_for(requested: &str, scope: &str) -> Result<(Asked, &'static str), TokenRefusal> {
    let known = ["urn:runmint", "urn:pulumi"].into_iter().find_map(|dialect| {
        let kind = requested.strip_prefix(dialect)?.strip_prefix(":token-type:access_token:")?;
        Some((dialect, kind))
    });
    let (dialect, kind) = known.ok_or_else(|| {
        TokenRefusal::form(format!(
            "requested_token_type must be urn:runmint:token-type:access_token:KIND (or urn:pulumi:token-type:access_token:KIND), where KIND is organization, team, personal or runner; or {ID_TOKEN}"
        ))
    })?;
    let named = |prefix: &str| {
        let name = scope.strip_prefix(prefix).filter(|name| is_name(name)).map(str::to_owned);
        let expected = "where NAME is 1 to 100 letters, digits and -_.@";
        name.ok_or_else(|| TokenRefusal::scope(format!("scope must be {prefix}NAME, {expected}")))
    };
    let asked = match kind {
        "organization" => match scope {
            "" => Asked::Organization { admin: false },
            "admin" => Asked::Organization { admin: true },
            _ => return Err(TokenRefusal::scope("scope must be empty or admin")),
        },
        "team" => Asked::Team { name: named("team:")? },
        "personal" => Asked::Personal { name: named("user:")? },
        "runner" => Asked::Runner { name: named("runner:")? },
        _ => {
            return Err(TokenRefusal::form(
                "requested_token_type names an unknown kind of access token: use organization, team, personal or runner",
            ));
        }
    };
    Ok((asked, dialect))
}

fn attributes_of(text: &str) -> Result<BTreeMap<String, String>, TokenRefusal> {
    let mut json = serde_json::Deserializer::from_str(text);
    let attributes = runmint_json::unique(&mut json).and_then(|map| json.end().map(|()| map));
    attributes
        .map_err(|error| TokenRefusal::form(format!("attributes must be a JSON object of strings: {error}")))
}

fn answer(api: &Api, asked: &Asked, dialect: &str, exchanged: Exchanged) -> TokenAnswer {
    let scope = match asked {
        Asked::Organization { admin: true } => "admin".to_owned(),
        Asked::Organization { admin: false } | Asked::Run(_) => String::new(),
        Asked::Team { name } => format!("team:{name}"),
        Asked::Personal { name } => format!("user:{name}"),
        Asked::Runner { name } => format!("runner:{name}"),
    };
    let expires_in = exchanged.expires_in_seconds;
    match exchanged.gain {
        Gain::AccessToken(secret) => TokenAnswer {
            access_token: secret.expose().to_owned(),
            issued_token_type: format!("{dialect}:token-type:access_token:{}", asked.token_type()),
            token_type: AnsweredTokenType::Token,
            run: None,
            expires_in,
            scope,
        },
        Gain::Run { run, request_token, id_token } => TokenAnswer {
            access_token: id_token,
            issued_token_type: ID_TOKEN.to_owned(),
            // RFC 8693 §2.2.1: a token that is not an access token has the type N_A.
            token_type: AnsweredTokenType::NotApplicable,
            run: Some(render_started(&api.app, StartedRun { run: *run, request_token })),
            expires_in,
            scope,
        },
    }
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;

    #[test]
    fn the_fields_are_the_members_of_the_request() {
        let schema = schema_for!(wire::TokenRequest);
        let members: Vec<_> = schema.as_object().unwrap()["properties"].as_object().unwrap().keys().collect();
        assert_eq!(members, FIELDS);
    }
}
