//! `runmint diagnose`

use std::io::{IsTerminal, Read, stdin};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::api::foreign_token;
use crate::cli::api::foreign_token::part;
use crate::cli::clouds::inspect::check::differ;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::clock::{Clock, SystemClock};
use crate::clouds::errors::{KnownError, MAX_TEXT_BYTES, Quoted, recognise};

/// Explain the error text of a cloud: what it means, which value differs from which, what to change
///
/// Knows what AWS STS, Microsoft Entra, Google, Vault, OpenBao, Kubernetes and their clients say about tokens. With
/// the token it compares what the error says with what is in it. Nothing is sent anywhere, and the token is not printed.
#[derive(Args)]
#[command(after_help = "Examples:
  terraform apply 2>&1 | runmint diagnose
  runmint diagnose \"AADSTS700213: No matching federated identity record found for presented assertion subject 'x'.\"
  runmint diagnose --token-file \"$AWS_WEB_IDENTITY_TOKEN_FILE\" < error.txt

Exit codes: 0 the error is known; 1 it is not.")]
pub(in crate::cli) struct Diagnose {
    /// The error's text [default: standard input]
    text: Vec<String>,
    /// A file with the token that was refused
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// Read the token from standard input; the text is then an argument
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with = "token_file", requires = "text")]
    token: Option<String>,
}

/// What may be shown of a token.
const SHOWN: [&str; 7] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"];

impl Diagnose {
    pub(in crate::cli) fn execute(self, output: Format) -> Result<(), Failure> {
        let text = if self.text.is_empty() { of_standard_input(output)? } else { self.text.join(" ") };
        if text.len() > MAX_TEXT_BYTES {
            return Err(Failure::usage(format!(
                "the text has over {MAX_TEXT_BYTES} bytes: the error alone will do"
            )));
        }
        let token = match (&self.token_file, &self.token) {
            (Some(path), _) => Some(foreign_token::of_file(path)?),
            (None, Some(_)) => Some(foreign_token::of_standard_input()?),
            (None, None) => None,
        };
        let Some(known) = recognise(&text) else {
            return Err(Failure::failed(
                "this error is not among those that are known here. `runmint inspect -` looks at the token, `runmint trust test` at the policy, `runmint doctor` at the server",
            ));
        };
        let quoted = known.quoted(&text);
        let token = token.map(|token| Token::read(&token)).transpose()?;
        let differences = differences(known, &quoted, token.as_ref(), SystemClock.now().as_second());
        let found = json!({
            "error": known.id,
            "means": known.means,
            "quoted": quoted.iter().map(|one| (one.name.clone(), one.value.clone().into())).collect::<Map<String, Value>>(),
            "differences": differences,
            "token": token.map(|token| token.shown()),
            "change": known.change,
        });
        output::print(output, &found, described)
    }
}

fn of_standard_input(output: Format) -> Result<String, Failure> {
    if stdin().is_terminal() {
        remark(output, "Paste the error's text, then Ctrl-D:");
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
                "what was given as token is no JWT: is it an access token, an error page, or cut?",
            )),
        }
    }

    fn shown(&self) -> Value {
        let header = ["alg", "kid", "typ"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.header.get(name)?.clone())));
        let claims =
            SHOWN.into_iter().filter_map(|name| Some((name.to_owned(), self.claims.get(name)?.clone())));
        Value::Object(header.chain(claims).collect())
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = if matches!(name, "kid" | "alg") { self.header.get(name) } else { self.claims.get(name) };
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// What differs from what, by the error's text and by the token.
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
            (None, Some(found)) => lines.push(format!("{claim}: the token that was refused said `{found}`")),
            _ => {}
        }
        match (found.or(expected), &actual) {
            (Some(said), Some(actual)) if said == actual && found.is_some() => {
                lines.push(format!("{claim}: the token that was given here says the same"));
            }
            (Some(said), Some(actual)) if said != actual => lines.push(format!(
                "{claim}: the token that was given here says something else: {}",
                differ(said, actual)
            )),
            _ => {}
        }
    }
    if let (Some(claim), Some(token)) = (of("claim"), token) {
        lines.push(match token.text(claim) {
            Some(value) => format!("{claim}: the token says `{value}`"),
            None => format!("{claim}: the token does not have it"),
        });
    }
    let exp = token.and_then(|token| token.claims.get("exp")).and_then(Value::as_i64);
    let about_time = known.id.contains("expired") || known.id.contains("time") || known.id.contains("stale");
    match exp {
        Some(exp) if exp <= now => lines.push(format!("exp: the token is over, since {} s", now - exp)),
        Some(exp) if about_time => lines.push(format!(
            "exp: by this machine's clock the token has {} s left, so that one of the clocks is wrong or another token was sent",
            exp - now
        )),
        _ => {}
    }
    if token.is_some_and(|token| token.text("alg").as_deref() != Some("RS256"))
        && known.id == "entra-algorithm"
    {
        lines.push("alg: Entra takes RS256".to_owned());
    }
    lines
}

fn described(found: &Value) -> String {
    let text = |name: &str| safe(found[name].as_str().unwrap_or_default());
    let mut lines = format!("{}\n\n{}\n", text("error"), text("means"));
    let differences = found["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !differences.is_empty() {
        lines.push('\n');
        lines.extend(differences.iter().filter_map(Value::as_str).map(|line| format!("  {}\n", safe(line))));
    }
    lines + &format!("\n{}\n", text("change"))
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
    fn the_token_is_compared_with_what_the_error_says() {
        let text = r#"oidc: issuer did not match the issuer returned by provider, expected "https://i/oidc/" got "https://i/oidc""#;
        let known = recognise(text).unwrap();
        let of =
            |claims: Value| differences(known, &known.quoted(text), Some(&token(claims)), 100).join("\n");
        let said = of(json!({"iss": "https://i/oidc", "exp": 200}));
        assert!(
            said.contains("they differ in a slash at the end") && said.contains("says the same"),
            "{said}"
        );
        let said = of(json!({"iss": "https://other", "exp": 40}));
        assert!(said.contains("says something else") && said.contains("over, since 60 s"), "{said}");
    }

    #[test]
    fn a_claim_that_is_missing_is_looked_for() {
        let text = "error validating claims: claim \"stack\" is missing";
        let known = recognise(text).unwrap();
        let said = differences(known, &known.quoted(text), Some(&token(json!({"sub": "a"}))), 0);
        assert_eq!(said, ["stack: the token does not have it"]);
    }
}
