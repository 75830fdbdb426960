//! Roles of the JWT auth method of Vault and OpenBao ("JWT/OIDC auth method (API)", "Create/update role").

mod evaluate;
mod lint;
mod role;
mod write;

pub use self::role::{RoleError, VaultRole};
pub use self::write::VaultTarget;
