//! `runmint keys revoke`

use clap::Args;

use super::kid::kid;
use crate::api::keys::{KeySuccessor, RevokeKey, RevokedKey, SignedToken, SignedTokenPage};
use crate::api::page::Page;
use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, remark, safe};
use crate::cli::terminal::span::{moment, time};
use crate::cli::terminal::table::table;
use crate::clock::{Clock, SystemClock};

/// Revoke a compromised key at once
///
/// In one step the key leaves the key set, the next key takes over and a new next key is created. Then the
/// unexpired tokens that the key signed are listed: investigate each of them.
#[derive(Args)]
#[command(
    after_help = "Example:  runmint keys revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --compromised

This cannot be undone. To replace a key that is not compromised, use `runmint keys rotate`."
)]
pub(in crate::cli) struct Revoke {
    /// The key's id (kid)
    #[arg(allow_hyphen_values = true, value_parser = kid)]
    kid: String,
    /// Confirm that an attacker has the private key, or may have it
    #[arg(long, required = true)]
    compromised: bool,
}

/// What the operator has to do besides: verifiers keep keys that they have cached.
const NOT_DONE: &str = "
Verifiers still have the key in their caches. Those that respect Cache-Control drop it within serve_stale plus
five minutes (within five minutes if every process is up); others only when a token with an unknown kid makes
them fetch the key set again, or never. Until then they accept tokens that an attacker signs. Do this now:

  1. Restart or reconfigure each relying party that keeps keys in memory (go-oidc, aws-jwt-verify, MinIO).
     A token of the new key is not enough: they have had that key all along, and fetch nothing for it. Where
     you cannot restart, present any token with a kid that they cannot know: most fetch then, and refuse it.
  2. AWS     Remove the trust until the new key is known: delete the IAM OIDC provider and create it again
             (aws iam delete-open-id-connect-provider, create-open-id-connect-provider), and revoke the
             sessions of roles that trust it (IAM console: Revoke active sessions).
     Azure   Delete the federated credentials and create them again (az identity federated-credential delete,
             create); revoke sessions of the identities.
     Google  Disable the pool, which also refuses tokens exchanged before (gcloud iam
             workload-identity-pools update --disabled); with an uploaded key set, upload the new one
             (providers update-oidc --jwk-json-path); enable the pool when the old key's tokens are refused.
     Vault   Write the auth method's configuration again (vault write auth/jwt/config ...), which drops its
             cache; replace jwt_validation_pubkeys if they were uploaded. Revoke its leases.
     Kubernetes  Restart the API servers, or change the AuthenticationConfiguration, which they reload.
  3. Investigate each token listed: what did its run do, and did that run ask for it?

docs/rotation.md has this with commands and bounds for each verifier.";

impl Revoke {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let path = format!("/api/keys/{}", self.kid);
        let body = RevokeKey { compromised: self.compromised };
        let mut revoked = client.post::<RevokedKey>(&format!("{path}/revoke"), &body).await?;
        let list = List { path: &format!("{path}/id-tokens"), filters: &[] };
        // The key is revoked: a failure to list its tokens must not look like a failure to revoke it.
        let tokens = match list.fetch::<SignedTokenPage>(&client, None).await {
            Ok(mut found) => {
                revoked.raw["id_tokens"] = found.raw[SignedTokenPage::MEMBER].take();
                found.parsed.id_tokens
            }
            Err(failure) => {
                remark(output, &format!("Could not list the tokens that the key signed: {failure}"));
                Vec::new()
            }
        };
        revoked.print(output, |revoked| describe(revoked, &tokens))?;
        remark(output, NOT_DONE);
        Ok(())
    }
}

fn describe(revoked: &RevokedKey, tokens: &[SignedToken]) -> String {
    let mut text = format!("Key {} is revoked.\n", safe(&revoked.kid));
    text += &match &revoked.successor {
        Some(successor) => taking_over(successor),
        None => {
            "No key takes its place: it did not sign, or no next key exists yet (see `runmint keys list`).\n"
                .to_owned()
        }
    };
    if !revoked.copies_with_the_key.is_empty() {
        let copies = safe(&revoked.copies_with_the_key.join(", "));
        text.extend([
            "\nThese static copies could not be rewritten, so they may still have the key: ",
            &copies,
            "\nThe server keeps trying; its log and `runmint keys list` say why it fails. If it keeps failing, remove the key by hand.\n",
        ]);
    }
    let count = revoked.unexpired_tokens.count.to_string();
    text.extend(["\nUnexpired tokens that it signed: ", &count, "\n"]);
    if !tokens.is_empty() {
        let heading = ["TOKEN", "RUN", "AUDIENCE", "EXPIRES", "SUBJECT"];
        text += &table(&heading, tokens.iter().map(row).collect());
    }
    text
}

fn taking_over(successor: &KeySuccessor) -> String {
    let from = moment(successor.signs_from, SystemClock.now(), "-");
    let mut text = format!("Key {} signs from {from}.\n", safe(&successor.kid));
    if !successor.not_acknowledged.is_empty() {
        let missing = safe(&successor.not_acknowledged.join(", "));
        text.extend([
            "Not known to have that key, so they may refuse its tokens: ",
            &missing,
            ".\n",
            "Upload the new key set to verifiers with an uploaded one (runmint keys export --public); processes and static copies follow by themselves.\n",
        ]);
    }
    text
}

fn row(token: &SignedToken) -> Vec<String> {
    vec![
        token.jti.to_string(),
        token.run_id.to_string(),
        token.audience.clone(),
        time(token.expires_at),
        token.subject.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::keys::UnexpiredTokens;

    #[test]
    fn copies_that_may_still_have_the_key_are_named() {
        let mut revoked = RevokedKey {
            kid: "a key".into(),
            revoked_at: SystemClock.now(),
            successor: None,
            unexpired_tokens: UnexpiredTokens { count: 0, url: String::new() },
            copies_with_the_key: Vec::new(),
        };
        assert!(!describe(&revoked, &[]).contains("static copies"));
        revoked.copies_with_the_key = vec!["s3://documents".into(), "file:///srv/www".into()];
        let text = describe(&revoked, &[]);
        assert!(text.contains("may still have the key: s3://documents, file:///srv/www\n"), "{text}");
    }
}
