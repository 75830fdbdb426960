//! Teams and users of an organization: names with rights to projects and stacks.

use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::organization::Organization;
use crate::domain::principal::{Principal, PrincipalKind, Right};
use crate::entropy::uuid_at;
use crate::store::StoreError;

pub const MAX_RIGHTS: usize = 100;
const MAX_NAME_BYTES: usize = 100;

#[derive(Debug, Error)]
pub enum PrincipalError {
    #[error("a name has 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_`, `.` and `@`")]
    Name,
    #[error(
        "rights has at most {MAX_RIGHTS} entries; each names a project and a stack of up to {MAX_NAME_BYTES} bytes, or `*` for all"
    )]
    Rights,
    #[error("there is a {kind} `{name}` already", kind = .kind.as_str())]
    NameTaken { kind: PrincipalKind, name: String },
    #[error("there is no {kind} `{name}`", kind = .kind.as_str())]
    NoSuch { kind: PrincipalKind, name: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[expect(clippy::too_many_arguments, reason = "each is a member of the new principal or says who creates it")]
pub async fn create_principal(
    app: &App,
    organization: &Organization,
    kind: PrincipalKind,
    name: &str,
    rights: Vec<Right>,
    by: Uuid,
) -> Result<Principal, PrincipalError> {
    if !is_name(name) {
        return Err(PrincipalError::Name);
    }
    check(&rights)?;
    let now = app.clock.now();
    let principal = Principal {
        id: uuid_at(now, app.entropy.as_ref()),
        organization_id: organization.id,
        kind,
        name: name.to_owned(),
        rights,
        created_at: now,
        modified_at: now,
    };
    if !app.store.create_principal(&principal, by).await? {
        return Err(PrincipalError::NameTaken { kind, name: principal.name });
    }
    tracing::info!(organization = %organization.name, kind = kind.as_str(), name, %by, "principal created");
    Ok(principal)
}

/// All teams or all users of the organization, by name.
pub async fn list_principals(
    app: &App,
    organization: &Organization,
    kind: PrincipalKind,
) -> Result<Vec<Principal>, StoreError> {
    app.store.principals(organization.id, kind).await
}

pub async fn find_principal(
    app: &App,
    organization: &Organization,
    kind: PrincipalKind,
    name: &str,
) -> Result<Principal, PrincipalError> {
    let found = app.store.principal(organization.id, kind, name).await?;
    found.ok_or_else(|| PrincipalError::NoSuch { kind, name: name.to_owned() })
}

/// Takes effect at the next request of each of its tokens.
pub async fn change_rights(
    app: &App,
    principal: Principal,
    rights: Vec<Right>,
    by: Uuid,
) -> Result<Principal, PrincipalError> {
    check(&rights)?;
    let now = app.clock.now();
    app.store.update_rights(principal.id, &rights, now).await?;
    tracing::info!(kind = principal.kind.as_str(), name = principal.name, %by, "rights changed");
    Ok(Principal { rights, modified_at: now, ..principal })
}

/// Its tokens are revoked with it.
pub async fn delete_principal(app: &App, principal: &Principal, by: Uuid) -> Result<(), PrincipalError> {
    app.store.delete_principal(principal.id, app.clock.now()).await?;
    tracing::info!(kind = principal.kind.as_str(), name = principal.name, %by, "principal deleted");
    Ok(())
}

/// Whether teams, users and runners may have this name.
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.@".contains(&b);
    // `.` and `..` are not path segments of their own.
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed) && name.bytes().any(|b| b != b'.')
}

fn check(rights: &[Right]) -> Result<(), PrincipalError> {
    let is_named =
        |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    let all_named = rights.iter().all(|right| is_named(&right.project) && is_named(&right.stack));
    if rights.len() <= MAX_RIGHTS && all_named { Ok(()) } else { Err(PrincipalError::Rights) }
}
