//! Writes authentication configurations. JSON is valid YAML, so one format serves for both.

use serde_json::{Value, json};

use crate::trust_documents::grant::{Grant, GrantError};
use crate::trust_documents::quoting::{cel, shell};

/// The API server that trusts runs.
#[derive(Clone, Debug)]
pub struct KubernetesTarget {
    /// The prefix of user names, so that no token names a user from another source.
    pub username_prefix: String,
}

impl KubernetesTarget {
    /// The configuration. Errors if the API server cannot express or accept it.
    pub fn json(&self, grant: &Grant) -> Result<Value, GrantError> {
        if !grant.issuer.is_https() {
            return Err(GrantError::Unfit("an API server accepts https issuers only".to_owned()));
        }
        let rules: Vec<Value> = grant
            .expression("claims", "Kubernetes")?
            .into_iter()
            .map(|expression| json!({"expression": expression, "message": format!("only runs of {}", grant.title())}))
            .collect();
        Ok(json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [{
                "issuer": {"url": grant.issuer.as_str(), "audiences": [grant.audience]},
                "claimValidationRules": rules,
                "claimMappings": {"username": {"expression": format!("{} + claims.sub", cel(&self.username_prefix))}},
                "userValidationRules": [{
                    "expression": "!user.username.startsWith('system:')",
                    "message": "names that begin with system: belong to Kubernetes",
                }],
            }],
        }))
    }

    /// Commands that write the file, with its use in comments.
    pub fn cli(&self, grant: &Grant) -> Result<String, GrantError> {
        let configuration = format!("{:#}\n", self.json(grant)?);
        Ok(format!(
            "printf '%s' {} > authentication.yaml\n\n\
             # On each control plane, with the file in this place:\n\
             # kube-apiserver --authentication-config=/etc/kubernetes/authentication.yaml\n",
            shell(&configuration)
        ))
    }
}
