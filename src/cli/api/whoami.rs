//! `runmint whoami`

use clap::Args;
use serde_json::Value;

use crate::cli::api::session::Session;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, fields};
use crate::clock::{Clock, SystemClock};

/// Show as whom commands speak to which server, and what that may do
#[derive(Args)]
#[command(after_help = "Examples:
  runmint whoami
  runmint whoami --output json | jq -r .origin.subject")]
pub(in crate::cli) struct Whoami {}

impl Whoami {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let session = Session::find()?;
        let mut user = session.client()?.get("/api/user").await?;
        if !user.is_object() {
            return Err(Failure::failed("the answer names nobody: is this runmint?"));
        }
        user["server"] = session.url.trim_end_matches('/').into();
        user["credential"] = session.found_in.into();
        output::print(output, &user, describe)
    }
}

fn describe(user: &Value) -> String {
    let token = &user["tokenInfo"];
    let organization = match token["organization"].as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "every one".to_owned(),
    };
    let mut rows = vec![
        ("server", cell(&user["server"])),
        ("credential", cell(&user["credential"])),
        ("token", format!("{} ({})", cell(&token["name"]), cell(&user["id"]))),
        ("organization", organization),
    ];
    rows.extend(holder(user));
    rows.push(("role", cell(&user["role"])));
    let rights = user["rights"].as_array().into_iter().flatten();
    rows.extend(rights.map(|right| ("right", right_text(right))));
    rows.push(("expires", moment(&user["expires_at"], SystemClock.now(), "never")));
    for (name, member) in [("issuer", "issuer"), ("subject", "subject"), ("jti", "jti")] {
        if let Some(text) = user["origin"][member].as_str() {
            rows.push((name, text.to_owned()));
        }
    }
    fields(&rows)
}

/// Whom the token stands for, if not for a role in the organization alone.
pub(in crate::cli) fn holder(user: &Value) -> Option<(&'static str, String)> {
    let name = |kind: &str| user["tokenInfo"][kind].as_str().filter(|name| !name.is_empty());
    ["team", "user", "runner"].into_iter().find_map(|kind| Some((kind, name(kind)?.to_owned())))
}

/// As `--right` takes it.
pub(in crate::cli) fn right_text(right: &Value) -> String {
    let text = |name: &str| cell(&right[name]);
    format!("{}/{}:{}", text("project"), text("stack"), text("access"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_it_is_is_named_by_kind() {
        let of = |token: Value| holder(&json!({"githubLogin": "acme", "tokenInfo": token}));
        assert_eq!(of(json!({"organization": "acme", "team": ""})), None);
        for kind in ["team", "user", "runner"] {
            assert_eq!(of(json!({"organization": "acme", kind: "web"})), Some((kind, "web".to_owned())));
        }
    }
}
