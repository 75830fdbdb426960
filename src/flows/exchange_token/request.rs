//! A request for an exchange, its answer and its refusals.

use std::sync::Arc;

use jiff::SignedDuration;
use thiserror::Error;

use crate::domain::principal::PrincipalKind;
use crate::domain::run::Run;
use crate::flows::mint_id_token::MintError;
use crate::flows::policies::PolicyFlowError;
use crate::flows::start_run::StartRunError;
use crate::opaque_token::OpaqueToken;
use crate::store::StoreError;
use crate::trust::policy::evaluation::Asked;
use crate::trust::token::TokenError;
use crate::upstream::discovery::DiscoveryError;

/// The lifetime if the request does not name one.
pub const DEFAULT_EXPIRATION_SECONDS: i64 = 7_200;

pub(super) const MIN_EXPIRATION_SECONDS: i64 = 60;

/// How long the same request gets the same answer: the first answer may have been lost on its way.
pub(super) const RETRY_FOR: SignedDuration = SignedDuration::from_secs(60);

/// A request whose form was checked.
pub struct TokenRequest {
    /// As in `audience`, after `urn:…:org:`.
    pub organization: String,
    pub subject_token: String,
    pub asked: Asked,
    /// The prefix of URNs in the answer: `urn:pulumi` or `urn:runmint`.
    pub dialect: &'static str,
    pub expiration_seconds: Option<i64>,
    /// The caller's network address.
    pub caller: String,
}

/// The answer to a granted exchange.
pub struct Exchanged {
    pub expires_in_seconds: i64,
    pub gain: Gain,
}

pub enum Gain {
    AccessToken(OpaqueToken),
    /// A run that was started, its request token, and its first ID token.
    Run {
        run: Box<Run>,
        request_token: OpaqueToken,
        id_token: String,
    },
}

#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The organization may be the unknown one: the answer does not reveal which.
    #[error("no issuer of this URL is registered with this organization")]
    IssuerUnknown,
    #[error("could not fetch the issuer's keys right now")]
    DiscoveryUnreachable(Arc<DiscoveryError>),
    #[error("the subject token: {0}")]
    Token(#[from] TokenError),
    #[error("no policy lets this token become what was asked for")]
    NoPolicyMatched,
    #[error("a policy denies this token what was asked for")]
    DeniedByPolicy,
    #[error("the subject token was used already; get a new one")]
    Reused,
    #[error("expiration is {MIN_EXPIRATION_SECONDS} seconds or more")]
    Expiration,
    #[error("there is no {kind} `{name}` in this organization", kind = .kind.as_str())]
    NoSuchPrincipal { kind: PrincipalKind, name: String },
    #[error(
        "the policy lets the caller choose `{0}`, which tells who a run is since services or audience profiles changed; an owner must take it from a claim"
    )]
    ChosenIdentity(String),
    #[error("the issuer or its policies changed a moment ago; try again")]
    Changed,
    #[error(transparent)]
    Run(#[from] StartRunError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Policies(#[from] PolicyFlowError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
