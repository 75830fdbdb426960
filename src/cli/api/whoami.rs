//! `runmint whoami`

use clap::Args;

use crate::api::OrNewer;
use crate::api::principals::Right;
use crate::api::user::{TokenInfo, User};
use crate::cli::api::session::Session;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, fields};
use crate::clock::{Clock, SystemClock};

/// Show which server commands use, as whom, and what that identity may do
#[derive(Args)]
#[command(after_help = "Examples:
  runmint whoami
  runmint whoami --output json | jq -r .origin.subject")]
pub(in crate::cli) struct Whoami {}

impl Whoami {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let session = Session::find()?;
        let mut user = session.client()?.get::<User>("/api/user").await?;
        let server = session.url.trim_end_matches('/');
        user.raw["server"] = server.into();
        user.raw["credential"] = session.found_in.into();
        user.print(output, |user| describe(user, server, session.found_in))
    }
}

fn describe(user: &User, server: &str, found_in: &str) -> String {
    let token = &user.token_info;
    let organization = if token.organization.is_empty() { "all" } else { &token.organization };
    let mut rows = vec![
        ("server", server.to_owned()),
        ("credential", found_in.to_owned()),
        ("token", format!("{} ({})", token.name, user.id)),
        ("organization", organization.to_owned()),
    ];
    rows.extend(holder(token));
    rows.push(("role", cell(&user.role)));
    let rights = user.rights.iter().flatten();
    rows.extend(rights.map(|right| ("right", right_text(right))));
    rows.push(("expires", moment(user.expires_at, SystemClock.now(), "never")));
    if let Some(origin) = &user.origin {
        rows.extend([("issuer", origin.issuer.clone()), ("subject", origin.subject.clone())]);
        rows.extend(origin.jti.clone().map(|jti| ("jti", jti)));
    }
    fields(&rows)
}

/// The team, user or runner that the token was issued to, if any.
pub(in crate::cli) fn holder(token: &TokenInfo) -> Option<(&'static str, String)> {
    let team = Some(&token.team).filter(|team| !team.is_empty());
    let kinds = [("team", team), ("user", token.user.as_ref()), ("runner", token.runner.as_ref())];
    kinds.into_iter().find_map(|(kind, name)| Some((kind, name?.clone())))
}

/// As `--right` takes it.
pub(in crate::cli) fn right_text(right: &OrNewer<Right>) -> String {
    match right {
        OrNewer::Known(Right { project, stack, access }) => format!("{project}/{stack}:{}", cell(access)),
        OrNewer::Newer(right) => right.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_holder_is_named_with_its_kind() {
        let of = |kind: &str, name: &str| {
            let mut token = json!({"name": "ci", "organization": "acme", "team": ""});
            token[kind] = name.into();
            holder(&serde_json::from_value(token).unwrap())
        };
        assert_eq!(of("team", ""), None);
        for kind in ["team", "user", "runner"] {
            assert_eq!(of(kind, "web"), Some((kind, "web".to_owned())));
        }
    }
}
