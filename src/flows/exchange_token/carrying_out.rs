//! Carries out an allowed exchange: an access token, or a run and its ID token, once for each subject token.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use serde_json::json;
use uuid::Uuid;

use super::request::{DEFAULT_EXPIRATION_SECONDS, ExchangeError, Exchanged, Gain, RETRY_FOR, TokenRequest};
use crate::app::App;
use crate::config::DEFAULT_RUN_TTL;
use crate::entropy::uuid_at;
use crate::flows::mint_id_token::{MintError, MintRequest, mint_id_token, token_terms};
use crate::flows::policies::role;
use crate::flows::start_run::{StartRun, prepare_run};

use crate::domain::access_token::{AccessToken, Holder, Origin, Role};
use crate::domain::exchange::Exchange;
use crate::domain::organization::Organization;
use crate::domain::principal::PrincipalKind;
use crate::domain::run::Run;
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::opaque_token::{OpaqueToken, TokenKind};
use crate::store::exchanges::{Gained, Spent, Use};
use crate::trust::policy::evaluation::Asked;
use crate::trust::policy::run::RunGrant;
use crate::trust::policy::saving::ACTOR;
use crate::trust::policy::{Grant, Policy};
use crate::trust::token::VerifiedClaims;
use crate::trust::token::limits::LEEWAY;

/// An exchange that policies allow.
pub(super) struct Exchanging<'x> {
    pub(super) app: &'x App,
    pub(super) now: Timestamp,
    pub(super) request: &'x TokenRequest,
    pub(super) organization: Organization,
    pub(super) issuer: TrustedIssuer,
    pub(super) claims: VerifiedClaims,
    pub(super) exchange: Exchange,
}

impl Exchanging<'_> {
    pub(super) async fn carry_out(&self, policy: &Policy) -> Result<Exchanged, ExchangeError> {
        let secret = self.derive(0, TokenKind::AccessToken);
        let mut token = self.access_token(policy).await?;
        let run = match (&self.request.asked, policy.grant()) {
            (Asked::Run(asked), Grant::Run(grant)) => {
                // It was found to grant the run a moment ago, by the same claims.
                let attributes = grant.attributes_of(asked, self.claims.all());
                let attributes = attributes.map_err(|_| ExchangeError::NoPolicyMatched)?;
                let run = self.run(attributes, asked.service.clone(), grant.audiences()).await?;
                self.require_verified_identity(grant, &run)?;
                Some(run)
            }
            _ => None,
        };
        // The access token in whose name a run starts is never handed out.
        let hash = match &run {
            Some(run) => {
                token.expires_at = Some(run.expires_at);
                OpaqueToken::generate(TokenKind::AccessToken, self.app.entropy.as_ref()).hash()
            }
            None => secret.hash(),
        };
        if let Some(run) = &run {
            self.require_mintable(run)?;
        }
        let request_token = self.derive(0, TokenKind::RunRequestToken);
        let request_hash = request_token.hash();
        let gained = Gained {
            token: &token,
            secret: &hash,
            issuer_modified_at: self.issuer.modified_at,
            run: run.as_ref().map(|run| (run, &request_hash)),
        };
        match self.app.store.exchange(&self.exchange, &self.usage(), gained).await? {
            Spent::Now => {
                tracing::info!(
                    organization = %self.organization.name, issuer = self.issuer.url, subject = self.claims.subject(),
                    access_token_id = %token.id, asked = self.request.asked.token_type(), "token exchanged"
                );
                match run {
                    Some(run) => self.answer_run(run, request_token).await,
                    None => Ok(self.answer(&token, secret)),
                }
            }
            Spent::Changed => Err(ExchangeError::Changed),
            Spent::Before { same_request, at, run_id, .. } => {
                let again = same_request && self.now.duration_since(at).abs() <= RETRY_FOR;
                if again { self.repeat(run_id).await } else { Err(ExchangeError::Reused) }
            }
        }
    }

    /// The answer that the same request got a moment ago, by whichever process.
    async fn repeat(&self, run_id: Option<Uuid>) -> Result<Exchanged, ExchangeError> {
        for index in 0..self.app.key_stores.sealing().ids().len() {
            if let Some(run_id) = run_id {
                let request_token = self.derive(index, TokenKind::RunRequestToken);
                let run = self.app.store.run_of_request_token(&request_token.hash()).await?;
                if let Some(run) = run.filter(|run| run.id == run_id) {
                    return self.answer_run(run, request_token).await;
                }
            } else {
                let secret = self.derive(index, TokenKind::AccessToken);
                if let Some(token) = self.app.store.use_access_token(&secret.hash(), self.now).await? {
                    return Ok(self.answer(&token, secret));
                }
            }
        }
        Err(ExchangeError::Reused)
    }

    async fn access_token(&self, policy: &Policy) -> Result<AccessToken, ExchangeError> {
        let (asked, holder, role) = match &self.request.asked {
            Asked::Organization { admin: true } => ("organization".to_owned(), Holder::Role, Role::Owner),
            Asked::Organization { admin: false } => {
                ("organization".to_owned(), Holder::Role, role(policy).unwrap_or(Role::Viewer))
            }
            Asked::Team { name } => {
                (format!("team {name}"), self.principal(PrincipalKind::Team, name).await?, Role::Orchestrator)
            }
            Asked::Personal { name } => {
                (format!("user {name}"), self.principal(PrincipalKind::User, name).await?, Role::Orchestrator)
            }
            Asked::Runner { name } => {
                (format!("runner {name}"), Holder::Runner(name.clone()), Role::Orchestrator)
            }
            Asked::Run(_) => ("run".to_owned(), Holder::Role, Role::Viewer),
        };
        let seconds = self.request.expiration_seconds.unwrap_or(DEFAULT_EXPIRATION_SECONDS);
        let seconds = seconds.min(self.issuer.max_expiration_seconds);
        Ok(AccessToken {
            id: uuid_at(self.now, self.app.entropy.as_ref()),
            name: format!("{asked}, exchanged by {}", self.issuer.name),
            role,
            organization: Some((self.organization.id, self.organization.name.clone())),
            created_at: self.now,
            expires_at: Some(self.now + SignedDuration::from_secs(seconds)),
            last_used_at: None,
            revoked_at: None,
            holder,
            origin: Some(self.origin()),
        })
    }

    async fn principal(&self, kind: PrincipalKind, name: &str) -> Result<Holder, ExchangeError> {
        let found = self.app.store.principal(self.organization.id, kind, name).await?;
        let missing = || ExchangeError::NoSuchPrincipal { kind, name: name.to_owned() };
        let found = found.ok_or_else(missing)?;
        Ok(Holder::Principal { id: found.id, kind, name: found.name, rights: found.rights })
    }

    async fn run(
        &self,
        attributes: BTreeMap<String, String>,
        service: String,
        audiences: Option<&[String]>,
    ) -> Result<Run, ExchangeError> {
        let most = self.issuer.max_expiration_seconds.min(self.app.issuing.run_ttl_max.as_secs());
        let ttl = most.min(DEFAULT_RUN_TTL.as_secs());
        let audiences = audiences.map(<[String]>::to_vec);
        let request = StartRun { service, attributes, ttl_seconds: Some(ttl), audiences };
        Ok(prepare_run(self.app, &self.organization, request, Some(&self.origin())).await?)
    }

    /// Services and audience profiles may have changed since the policy was saved: what the caller chose must
    /// not have become part of who the run is.
    fn require_verified_identity(&self, grant: &RunGrant, run: &Run) -> Result<(), ExchangeError> {
        let Some(service) = self.app.issuing.services.named(&run.service) else { return Ok(()) };
        let mut identifying = service.subject_attributes();
        identifying.extend(run.profiles.identifying_attributes(&run.service, service));
        match grant.chosen().find(|name| identifying.contains(*name) || ACTOR.contains(name)) {
            Some(name) => Err(ExchangeError::ChosenIdentity(name.to_owned())),
            None => Ok(()),
        }
    }

    /// Refuses a run whose first ID token would be refused, before the subject token is spent on it.
    fn require_mintable(&self, run: &Run) -> Result<(), ExchangeError> {
        self.first_token(run).map(drop)
    }

    /// How the run's first ID token is asked for, and when it expires.
    fn first_token(&self, run: &Run) -> Result<(MintRequest<'_>, Timestamp), ExchangeError> {
        let audience = match &self.request.asked {
            Asked::Run(asked) => asked.audiences.first().map(String::as_str),
            _ => None,
        };
        let lifetime = token_terms(self.app, run, audience)?.lifetime;
        // Clients made for access tokens send their usual two hours with every request.
        let longest = lifetime.max.as_secs();
        let lifetime_seconds = self.request.expiration_seconds.map(|seconds| seconds.min(longest));
        let expires_at =
            lifetime.expiry(self.now, run.expires_at, lifetime_seconds).map_err(MintError::from)?;
        Ok((MintRequest { audience, lifetime_seconds, caller: self.request.caller.clone() }, expires_at))
    }

    async fn answer_run(&self, run: Run, request_token: OpaqueToken) -> Result<Exchanged, ExchangeError> {
        let (request, expires_at) = self.first_token(&run)?;
        let id_token = mint_id_token(self.app, &run, request).await?;
        Ok(Exchanged {
            expires_in_seconds: expires_at.duration_since(self.now).as_secs(),
            gain: Gain::Run { run: Box::new(run), request_token, id_token },
        })
    }

    fn answer(&self, token: &AccessToken, secret: OpaqueToken) -> Exchanged {
        let expires_at = token.expires_at.unwrap_or(self.now);
        Exchanged {
            expires_in_seconds: expires_at.duration_since(self.now).as_secs(),
            gain: Gain::AccessToken(secret),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            issuer: self.issuer.url.clone(),
            subject: self.claims.subject().to_owned(),
            jti: self.claims.token_id().map(str::to_owned),
        }
    }

    fn usage(&self) -> Use {
        let token = match self.claims.token_id() {
            Some(jti) => ["jti\0", jti].concat().into_bytes(),
            None => [b"token\0".as_slice(), self.claims.digest()].concat(),
        };
        Use {
            token_hash: sha256(&token),
            request_hash: self.request_hash(),
            expires_at: self.claims.expires_at() + LEEWAY,
        }
    }

    fn request_hash(&self) -> String {
        let TokenRequest { organization, asked, dialect, expiration_seconds, .. } = self.request;
        let digest = hex::encode(self.claims.digest());
        sha256(json!([organization, asked, dialect, expiration_seconds, digest]).to_string().as_bytes())
    }

    /// The secret for this request and no other, which every process with the same sealing key finds again:
    /// so that a repeated request can have the same answer, and no secret needs to be stored for that.
    fn derive(&self, sealing_key: usize, kind: TokenKind) -> OpaqueToken {
        let sealing = self.app.key_stores.sealing();
        let key = sealing.all().nth(sealing_key).unwrap_or(sealing.primary());
        let content = format!("exchange\0{}\0{}", self.issuer.id, self.request_hash());
        OpaqueToken::generate(kind, &key.derive(content.as_bytes()))
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}
