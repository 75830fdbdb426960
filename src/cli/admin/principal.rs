//! `runmint team` and `runmint user`

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::api::principals::{Access, ChangeRights, CreatePrincipal, Principal, Right, Teams, Users};
use crate::cli::api::client::Client;
use crate::cli::api::whoami::right_text;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::{moment, time};
use crate::cli::terminal::table::{fields, table};
use crate::clock::{Clock, SystemClock};
use crate::domain::principal::PrincipalKind;
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// List them
    #[command(after_help = "Examples:
  runmint team list --org acme
  runmint user list --org acme --output json | jq -r '.users[].name'")]
    List {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Show one and its rights
    #[command(after_help = "Example:  runmint team show web --org acme")]
    Show(Named),
    /// Create a name with rights that policies can grant
    #[command(after_help = "Examples:
  runmint team create web --org acme --right website/staging:write --right 'website/*:read'
  runmint user create ada --org acme --right '*/*:read'")]
    Create {
        #[command(flatten)]
        named: Named,
        /// A right, as PROJECT/STACK:read or PROJECT/STACK:write, with * for all; may be repeated
        #[arg(long = "right", value_name = "RIGHT", value_parser = right)]
        rights: Vec<Right>,
    },
    Update(Update),
    /// Delete one and revoke its access tokens
    #[command(after_help = "Example:  runmint team delete web --org acme")]
    Delete(Named),
}

#[derive(Args)]
pub(in crate::cli) struct Named {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
    /// The organization
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
}

/// Replace the rights of one, from the next request of each of its tokens
#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["rights", "no_rights"]).required(true))]
#[command(after_help = "Examples:
  runmint team update web --org acme --right 'website/*:write'      these rights and no others
  runmint user update ada --org acme --no-rights")]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    named: Named,
    /// A right, as PROJECT/STACK:read or PROJECT/STACK:write, with * for all; may be repeated
    #[arg(long = "right", value_name = "RIGHT", value_parser = right)]
    rights: Vec<Right>,
    /// Remove all of its rights
    #[arg(long)]
    no_rights: bool,
}

impl Command {
    pub(in crate::cli) async fn execute(self, kind: PrincipalKind, output: Format) -> Result<(), Failure> {
        match self {
            Self::List { org } => list(kind, &org, output).await,
            Self::Show(named) => {
                Client::from_environment()?.get(&named.path(kind)).await?.print(output, describe)
            }
            Self::Create { named, rights } => create(kind, &named, rights, output).await,
            Self::Update(Update { named, rights, .. }) => {
                let body = ChangeRights { rights };
                Client::from_environment()?.patch(&named.path(kind), &body).await?.print(output, describe)
            }
            Self::Delete(named) => delete(kind, &named, output).await,
        }
    }
}

impl Named {
    fn path(&self, kind: PrincipalKind) -> String {
        format!("{}/{}", collection(kind, &self.org), self.name)
    }
}

async fn list(kind: PrincipalKind, org: &OrganizationName, output: Format) -> Result<(), Failure> {
    let client = Client::from_environment()?;
    let path = collection(kind, org);
    match kind {
        PrincipalKind::Team => {
            client.get::<Teams>(&path).await?.print(output, |found| listed(kind, &found.teams))
        }
        PrincipalKind::User => {
            client.get::<Users>(&path).await?.print(output, |found| listed(kind, &found.users))
        }
    }
}

fn listed(kind: PrincipalKind, all: &[Principal]) -> String {
    if all.is_empty() {
        return format!("No {}.\n", plural(kind));
    }
    let row = |one: &Principal| vec![one.name.clone(), time(one.modified_at), rights_text(one)];
    table(&["NAME", "MODIFIED", "RIGHTS"], all.iter().map(row).collect())
}

async fn create(
    kind: PrincipalKind,
    named: &Named,
    rights: Vec<Right>,
    output: Format,
) -> Result<(), Failure> {
    let body = CreatePrincipal { name: named.name.clone(), rights };
    let made = Client::from_environment()?.post(&collection(kind, &named.org), &body).await?;
    made.print(output, describe)?;
    let (token_type, member) = match kind {
        PrincipalKind::Team => ("team", "teamName"),
        PrincipalKind::User => ("personal", "userLogin"),
    };
    remark(
        output,
        &format!(
            "\nNext: add a policy with \"tokenType\": \"{token_type}\", \"{member}\": \"{}\"; see runmint policy set",
            named.name
        ),
    );
    Ok(())
}

async fn delete(kind: PrincipalKind, named: &Named, output: Format) -> Result<(), Failure> {
    Client::from_environment()?.delete(&named.path(kind)).await?;
    let name = &named.name;
    output::print(output, &json!({"name": name, "deleted": true}), |_| {
        let kind = if kind == PrincipalKind::Team { "Team" } else { "User" };
        format!("{kind} {name} is deleted and its access tokens are revoked.\n")
    })
}

fn collection(kind: PrincipalKind, org: &OrganizationName) -> String {
    format!("/api/orgs/{org}/{}", plural(kind))
}

fn plural(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Team => "teams",
        PrincipalKind::User => "users",
    }
}

/// A name that is one segment of a path.
fn name(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.@".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) && !matches!(text, "." | "..") {
        return Ok(text.to_owned());
    }
    Err("not a valid name: use letters, digits, `-`, `_`, `.` and `@`".to_owned())
}

fn right(text: &str) -> Result<Right, String> {
    let parsed = text.rsplit_once(':').and_then(|(what, access)| {
        let (project, stack) = what.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty())?;
        let access = match access {
            "read" => Access::Read,
            "write" => Access::Write,
            _ => return None,
        };
        Some(Right { project: project.to_owned(), stack: stack.to_owned(), access })
    });
    parsed.ok_or_else(|| "write PROJECT/STACK:read or PROJECT/STACK:write, e.g. website/*:read".to_owned())
}

fn describe(principal: &Principal) -> String {
    let now = SystemClock.now();
    let mut rows = vec![
        ("name", principal.name.clone()),
        ("id", principal.id.to_string()),
        ("created", moment(principal.created_at, now, "-")),
        ("modified", moment(principal.modified_at, now, "-")),
    ];
    rows.extend(principal.rights.iter().map(|right| ("right", right_text(right))));
    if principal.rights.is_empty() {
        rows.push(("right", "none".to_owned()));
    }
    fields(&rows)
}

fn rights_text(principal: &Principal) -> String {
    if principal.rights.is_empty() {
        return "none".to_owned();
    }
    principal.rights.iter().map(right_text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_names_project_stack_and_access() {
        let parsed = |text: &str| right(text).map(|right| json!(right));
        assert_eq!(
            parsed("website/*:write"),
            Ok(json!({"project": "website", "stack": "*", "access": "write"}))
        );
        assert_eq!(parsed("a/b/c:d:read"), Ok(json!({"project": "a", "stack": "b/c:d", "access": "read"})));
        for bad in ["", "website", "website/prod", "website:read", "/prod:read", "website/:read", "a/b:admin"]
        {
            assert!(right(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_cannot_change_a_path() {
        assert!(name("ada.l@example.com").is_ok());
        for bad in ["", ".", "..", "a/b", "a?b", "%2e", "a b"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
