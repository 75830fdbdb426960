//! Who calls, and whether they may. A caller learns of nothing outside their own organization.

use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::access_token::{AccessToken, Holder, Role};
use crate::domain::organization::Organization;
use crate::domain::principal::{Access, PrincipalKind};
use crate::domain::run::Run;
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::service::Attributes;
use crate::opaque_token::{OpaqueToken, TokenKind};
use crate::store::StoreError;
use crate::trust::policy::saving::ACTOR;

/// A caller whose access token was checked.
pub struct Caller {
    token: AccessToken,
}

#[derive(Debug, Error)]
pub enum AuthorizeError {
    #[error("the access token is missing, wrong, expired or revoked")]
    Unauthenticated,
    #[error("this needs an access token of role {needed}; this one is {held}", needed = needed.as_str(), held = held.as_str())]
    Forbidden { needed: Role, held: Role },
    #[error("the {kind} `{name}` has no right to {what} runs of this project and stack", kind = .kind.as_str(), what = if *.access == Access::Write { "change" } else { "see" })]
    NotCovered { kind: PrincipalKind, name: String, access: Access },
    #[error(
        "the {kind} `{name}` cannot say who is behind a run: leave out `{attribute}`, and tokens name whom this access token was exchanged for"
    )]
    NotItsActor { kind: &'static str, name: String, attribute: &'static str },
    #[error("there is no such {0} that this access token may see")]
    NotFound(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The caller who presents `secret`.
pub async fn authenticate(app: &App, secret: &str) -> Result<Caller, AuthorizeError> {
    let hash =
        OpaqueToken::recognise(TokenKind::AccessToken, secret).ok_or(AuthorizeError::Unauthenticated)?;
    let token = app.store.use_access_token(&hash, app.clock.now()).await?;
    Ok(Caller { token: token.ok_or(AuthorizeError::Unauthenticated)? })
}

impl Caller {
    pub fn token(&self) -> &AccessToken {
        &self.token
    }

    pub fn token_id(&self) -> Uuid {
        self.token.id
    }

    /// The one organization that this caller belongs to; `None` for an admin, who belongs to all.
    pub fn only_organization(&self) -> Option<Uuid> {
        self.token.organization.as_ref().map(|(id, _)| *id)
    }

    pub fn require_admin(&self) -> Result<(), AuthorizeError> {
        self.require(Role::Admin)
    }

    /// The organization, if the caller has `needed` in it.
    pub async fn organization(
        &self,
        app: &App,
        name: &str,
        needed: Role,
    ) -> Result<Organization, AuthorizeError> {
        let not_found = || AuthorizeError::NotFound("organization");
        let name = OrganizationName::parse(name).map_err(|_| not_found())?;
        if self.token.organization.as_ref().is_some_and(|(_, own)| *own != name) {
            return Err(not_found());
        }
        self.require(needed)?;
        app.store.organization_named(&name).await?.ok_or_else(not_found)
    }

    /// The run, if the caller has `needed` in its organization.
    pub async fn run(&self, app: &App, id: &str, needed: Role) -> Result<Run, AuthorizeError> {
        let not_found = || AuthorizeError::NotFound("run");
        let id = Uuid::parse_str(id).map_err(|_| not_found())?;
        let run = app.store.run(id).await?.ok_or_else(not_found)?;
        if !self.sees(Some(run.organization_id)) || !self.covers(&run.attributes, Access::Read) {
            return Err(not_found());
        }
        self.require(needed)?;
        if needed > Role::Viewer {
            self.require_right(&run.attributes, Access::Write)?;
        }
        Ok(run)
    }

    /// The access token with this id, if the caller may manage it.
    pub async fn access_token(&self, app: &App, id: &str) -> Result<AccessToken, AuthorizeError> {
        let not_found = || AuthorizeError::NotFound("access token");
        let id = Uuid::parse_str(id).map_err(|_| not_found())?;
        let token = app.store.access_token(id).await?.ok_or_else(not_found)?;
        if !self.sees(token.organization.as_ref().map(|(id, _)| *id)) {
            return Err(not_found());
        }
        self.require(Role::Owner)?;
        Ok(token)
    }

    /// Whether the rights of the team or user whose token it is cover runs with these attributes.
    pub fn covers(&self, attributes: &Attributes, needed: Access) -> bool {
        let Holder::Principal { rights, .. } = &self.token.holder else { return true };
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        rights.iter().any(|right| right.covers(attribute("project"), attribute("stack"), needed))
    }

    /// Whether some run of this project and stack could be among those that the caller may see; `None` stands for
    /// any.
    pub fn may_see_runs_of(&self, project: Option<&str>, stack: Option<&str>) -> bool {
        let Holder::Principal { rights, .. } = &self.token.holder else { return true };
        let meets = |allowed: &str, one: Option<&str>| one.is_none_or(|one| allowed == "*" || allowed == one);
        rights.iter().any(|right| meets(&right.project, project) && meets(&right.stack, stack))
    }

    /// Teams, users and runners act for themselves. Only a caller that starts runs in the organization's name
    /// names an actor.
    pub fn require_own_actor(&self, attributes: &Attributes) -> Result<(), AuthorizeError> {
        match (self.token.holder.named(), ACTOR.iter().find(|name| attributes.contains_key(**name))) {
            (Some((kind, name)), Some(attribute)) => {
                Err(AuthorizeError::NotItsActor { kind, name: name.to_owned(), attribute })
            }
            _ => Ok(()),
        }
    }

    pub fn require_right(&self, attributes: &Attributes, needed: Access) -> Result<(), AuthorizeError> {
        match &self.token.holder {
            Holder::Principal { kind, name, .. } if !self.covers(attributes, needed) => {
                Err(AuthorizeError::NotCovered { kind: *kind, name: name.clone(), access: needed })
            }
            _ => Ok(()),
        }
    }

    fn sees(&self, organization: Option<Uuid>) -> bool {
        match self.only_organization() {
            None => true,
            own => own == organization,
        }
    }

    fn require(&self, needed: Role) -> Result<(), AuthorizeError> {
        if self.token.role >= needed {
            return Ok(());
        }
        Err(AuthorizeError::Forbidden { needed, held: self.token.role })
    }
}
