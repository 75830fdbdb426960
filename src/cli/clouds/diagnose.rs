//! `runmint diagnose`

use std::io::{IsTerminal, Read, stdin};

use clap::Args;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::api::foreign_token;
use crate::cli::api::foreign_token::part;
use crate::cli::clouds::inspect::check::differ;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::clock::{Clock, SystemClock};
use crate::clouds::errors::{KnownError, MAX_TEXT_BYTES, Quoted, recognise};

/// Explain a cloud's error: its meaning, the values that differ, and the remedy
///
/// Knows the token errors of AWS STS, Microsoft Entra, Google, Vault, OpenBao, Kubernetes and their clients. Given
/// the token, it compares the values in the error with the token's own. It sends nothing anywhere and never prints
/// the token.
#[derive(Args)]
#[command(after_help = "Examples:
  terraform apply 2>&1 | runmint diagnose
  runmint diagnose \"AADSTS700213: No matching federated identity record found for presented assertion subject 'x'.\"
  runmint diagnose --token-file \"$AWS_WEB_IDENTITY_TOKEN_FILE\" < error.txt

Exit codes: 0 the error is known; 1 it is not.")]
pub(in crate::cli) struct Diagnose {
    /// The text of the error [default: standard input]
    text: Vec<String>,
    /// A file with the refused token
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// Read the token from standard input; then give the error as an argument
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with = "token_file", requires = "text")]
    token: Option<String>,
}

/// The claims of a token that may be shown.
const SHOWN: [&str; 7] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"];

/// The result, as `--output json` prints it.
#[derive(Serialize)]
struct Diagnosis<'a> {
    /// The id of the known error.
    error: &'a str,
    means: &'a str,
    /// Values in the error's text, e.g. `found_sub`.
    quoted: IndexMap<&'a str, &'a str>,
    differences: Vec<String>,
    /// Parts of the token that may be shown; `None` where no token was given.
    token: Option<Map<String, Value>>,
    change: &'a str,
}

impl Diagnose {
    pub(in crate::cli) fn execute(self, output: Format) -> Result<(), Failure> {
        let text = if self.text.is_empty() { of_standard_input(output)? } else { self.text.join(" ") };
        if text.len() > MAX_TEXT_BYTES {
            return Err(Failure::usage(format!(
                "the text is longer than {MAX_TEXT_BYTES} bytes: give the error alone"
            )));
        }
        let token = match (&self.token_file, &self.token) {
            (Some(path), _) => Some(foreign_token::of_file(path)?),
            (None, Some(_)) => Some(foreign_token::of_standard_input()?),
            (None, None) => None,
        };
        let Some(known) = recognise(&text) else {
            return Err(Failure::failed(
                "this error is unknown. Check the token with `runmint inspect -`, the trust policy with `runmint trust test`, the server with `runmint doctor`",
            ));
        };
        let quoted = known.quoted(&text);
        let token = token.map(|token| Token::read(&token)).transpose()?;
        let differences = differences(known, &quoted, token.as_ref(), SystemClock.now().as_second());
        let diagnosis = Diagnosis {
            error: &known.id,
            means: &known.means,
            quoted: quoted.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect(),
            differences,
            token: token.as_ref().map(Token::shown),
            change: &known.change,
        };
        output::print(output, &json!(diagnosis), |_| described(&diagnosis))
    }
}

fn of_standard_input(output: Format) -> Result<String, Failure> {
    if stdin().is_terminal() {
        remark(output, "Paste the error, then press Ctrl-D:");
    }
    let mut bytes = Vec::new();
    stdin().take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Failure::failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A token without its signature.
struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Token {
    fn read(text: &str) -> Result<Self, Failure> {
        match (part(text, 0), part(text, 1)) {
            (Some(header), Some(claims)) => Ok(Self { header, claims }),
            _ => Err(Failure::usage(
                "could not read the token: it is not a JWT. Is it an access token, an error page, or truncated?",
            )),
        }
    }

    fn shown(&self) -> Map<String, Value> {
        let header = ["alg", "kid", "typ"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.header.get(name)?.clone())));
        let claims =
            SHOWN.into_iter().filter_map(|name| Some((name.to_owned(), self.claims.get(name)?.clone())));
        header.chain(claims).collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = if matches!(name, "kid" | "alg") { self.header.get(name) } else { self.claims.get(name) };
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// The values that differ between the error, the token and the clock.
fn differences(known: &KnownError, quoted: &[Quoted], token: Option<&Token>, now: i64) -> Vec<String> {
    let of = |name: &str| quoted.iter().find(|one| one.name == name).map(|one| one.value.as_str());
    let mut lines = Vec::new();
    for claim in ["iss", "aud", "sub", "kid"] {
        let (expected, found) = (of(&format!("expected_{claim}")), of(&format!("found_{claim}")));
        let actual = token.and_then(|token| token.text(claim));
        match (expected, found) {
            (Some(expected), Some(found)) if expected != found => {
                lines.push(format!("{claim}: {}", differ(expected, found)));
            }
            (None, Some(found)) => lines.push(format!("{claim}: the refused token has `{found}`")),
            _ => {}
        }
        match (found.or(expected), &actual) {
            (Some(said), Some(actual)) if said == actual && found.is_some() => {
                lines.push(format!("{claim}: the given token has the same value"));
            }
            (Some(said), Some(actual)) if said != actual => {
                lines.push(format!("{claim}: the given token has another value: {}", differ(said, actual)));
            }
            _ => {}
        }
    }
    if let (Some(claim), Some(token)) = (of("claim"), token) {
        lines.push(match token.text(claim) {
            Some(value) => format!("{claim}: the token has `{value}`"),
            None => format!("{claim}: missing from the token"),
        });
    }
    let exp = token.and_then(|token| token.claims.get("exp")).and_then(Value::as_i64);
    let about_time = known.id.contains("expired") || known.id.contains("time") || known.id.contains("stale");
    match exp {
        Some(exp) if exp <= now => lines.push(format!("exp: the token expired {} s ago", now - exp)),
        Some(exp) if about_time => lines.push(format!(
            "exp: by this machine's clock the token is valid for another {} s: one of the clocks is wrong, or another token was sent",
            exp - now
        )),
        _ => {}
    }
    if token.is_some_and(|token| token.text("alg").as_deref() != Some("RS256"))
        && known.id == "entra-algorithm"
    {
        lines.push("alg: Entra accepts RS256 only".to_owned());
    }
    lines
}

fn described(diagnosis: &Diagnosis) -> String {
    let Diagnosis { error, means, differences, change, .. } = diagnosis;
    let mut lines = format!("{}\n\n{}\n", safe(error), safe(means));
    if !differences.is_empty() {
        lines.push('\n');
        lines.extend(differences.iter().map(|line| format!("  {}\n", safe(line))));
    }
    lines + &format!("\n{}\n", safe(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
    fn token(claims: Value) -> Token {
        let header = json!({"alg": "RS256", "kid": "k"});
        Token { header: header.as_object().unwrap().clone(), claims: claims.as_object().unwrap().clone() }
    }

    #[test]
    fn the_token_is_compared_with_the_values_in_the_error() {
        let text = r#"oidc: issuer did not match the issuer returned by provider, expected "https://i/oidc/" got "https://i/oidc""#;
        let known = recognise(text).unwrap();
        let of =
            |claims: Value| differences(known, &known.quoted(text), Some(&token(claims)), 100).join("\n");
        let said = of(json!({"iss": "https://i/oidc", "exp": 200}));
        assert!(
            said.contains("they differ in a slash at the end") && said.contains("has the same value"),
            "{said}"
        );
        let said = of(json!({"iss": "https://other", "exp": 40}));
        assert!(said.contains("has another value") && said.contains("expired 60 s ago"), "{said}");
    }

    #[test]
    fn names_the_missing_claim() {
        let text = "error validating claims: claim \"stack\" is missing";
        let known = recognise(text).unwrap();
        let said = differences(known, &known.quoted(text), Some(&token(json!({"sub": "a"}))), 0);
        assert_eq!(said, ["stack: missing from the token"]);
    }
}
