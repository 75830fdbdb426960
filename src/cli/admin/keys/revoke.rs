//! `runmint keys revoke`

use clap::Args;
use serde_json::{Value, json};

use super::kid::kid;
use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, entries, remark, safe};
use crate::cli::terminal::span::{moment, time};
use crate::cli::terminal::table::{cell, table};
use crate::clock::{Clock, SystemClock};

/// Take a key that others know out of service at once
///
/// The key leaves the key set, the next key takes over, and a new next key is made, in one step. Then every
/// token that the key signed and that is not expired is listed: those are what must be looked into.
#[derive(Args)]
#[command(
    after_help = "Example:  runmint keys revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --compromised

This cannot be undone. To replace a key in good order, use `runmint keys rotate`."
)]
pub(in crate::cli) struct Revoke {
    /// The key's id (kid)
    #[arg(allow_hyphen_values = true, value_parser = kid)]
    kid: String,
    /// Yes: somebody else has the private key, or may have it
    #[arg(long, required = true)]
    compromised: bool,
}

/// What revoking does not do, and who has to do it. Verifiers keep what they have.
const NOT_DONE: &str = "
What this does not do: verifiers keep a key that they have cached. Those that heed Cache-Control let go of it
within serve_stale and five minutes (when every process is up: within five minutes); others only when a token
whose kid they do not have makes them fetch the key set again, or never. Until then they accept what the thief
signs. So now:

  1. Restart, or configure anew, each relying party that keeps keys in memory (go-oidc, aws-jwt-verify, MinIO).
     A token of the new key will not do: they have had that key all along, and fetch nothing for it. Where you
     cannot restart, present any token with a kid that they cannot know: most fetch then, and refuse it.
  2. AWS     Remove the trust until the new key is known: delete the IAM OIDC provider and create it again
             (aws iam delete-open-id-connect-provider, create-open-id-connect-provider), and revoke the
             sessions of roles that trust it (IAM console: Revoke active sessions).
     Azure   Delete the federated credentials and create them again (az identity federated-credential delete,
             create); revoke sessions of the identities.
     Google  Disable the pool, which also refuses what was exchanged already (gcloud iam
             workload-identity-pools update --disabled); with an uploaded key set, upload the new one
             (providers update-oidc --jwk-json-path); enable the pool when the old key's tokens are refused.
     Vault   Write the auth method's configuration again (vault write auth/jwt/config ...), which drops its
             cache; replace jwt_validation_pubkeys if they were uploaded. Revoke its leases.
     Kubernetes  Restart the API servers, or change the AuthenticationConfiguration, which they reload.
  3. Look into each token below: what did its run do, and did that run ask for it?

docs/rotation.md has this with commands and bounds for each verifier.";

impl Revoke {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let path = format!("/api/keys/{}", self.kid);
        let body = json!({"compromised": self.compromised});
        let mut revoked = client.post(&format!("{path}/revoke"), Some(&body)).await?;
        let list = List { path: &format!("{path}/id-tokens"), member: "id_tokens", filters: &[] };
        // Done is done: that the list cannot be read must not look as if it were not.
        match list.fetch(&client, None).await {
            Ok(mut found) => revoked["id_tokens"] = found["id_tokens"].take(),
            Err(failure) => remark(output, &format!("The tokens cannot be listed: {failure}")),
        }
        output::print(output, &revoked, describe)?;
        remark(output, NOT_DONE);
        Ok(())
    }
}

fn describe(revoked: &Value) -> String {
    let now = SystemClock.now();
    let mut text = format!("Key {} is revoked.\n", cell(&revoked["kid"]));
    if let Some(successor) = revoked["successor"].as_object() {
        let from = moment(&successor["signs_from"], now, "-");
        text.extend(["Key ", &cell(&successor["kid"]), " signs from ", &from, ".\n"]);
        let missing: Vec<String> = entries(&successor["not_acknowledged"]).map(cell).collect();
        if !missing.is_empty() {
            let missing = safe(&missing.join(", "));
            text.extend([
                "Not known to have that key, so its tokens may be refused there: ",
                &missing,
                ".\n",
            ]);
            text += "Upload the new key set where it is uploaded (runmint keys export --public); processes and copies follow.\n";
        }
    } else {
        text += "No key takes its place now: it did not sign, or there is none yet (`runmint keys list` tells).\n";
    }
    let copies: Vec<String> = entries(&revoked["copies_with_the_key"]).map(cell).collect();
    if !copies.is_empty() {
        let copies = copies.join(", ");
        text.extend([
            "\nThese static copies could not be rewritten, so they may still have the key: ",
            &copies,
            "\nThe server goes on trying; its log and `runmint keys list` say why. If that lasts, take the key out by hand.\n",
        ]);
    }
    let tokens: Vec<Vec<String>> = entries(&revoked["id_tokens"])
        .map(|token| {
            vec![
                cell(&token["jti"]),
                cell(&token["run_id"]),
                cell(&token["audience"]),
                time(&token["expires_at"]),
                cell(&token["subject"]),
            ]
        })
        .collect();
    let count = cell(&revoked["unexpired_tokens"]["count"]);
    text.extend(["\nTokens of it that are not expired: ", &count, "\n"]);
    if !tokens.is_empty() {
        text += &table(&["TOKEN", "RUN", "AUDIENCE", "EXPIRES", "SUBJECT"], tokens);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_may_still_have_the_key_are_named() {
        let mut revoked = json!({
            "kid": "a key",
            "successor": null,
            "unexpired_tokens": {"count": 0},
            "copies_with_the_key": [],
        });
        assert!(!describe(&revoked).contains("static copies"));
        revoked["copies_with_the_key"] = json!(["s3://documents", "file:///srv/www"]);
        let text = describe(&revoked);
        assert!(text.contains("may still have the key: s3://documents, file:///srv/www\n"), "{text}");
    }
}
