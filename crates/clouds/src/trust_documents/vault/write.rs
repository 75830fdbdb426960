//! Writes roles of the JWT auth method.

use serde_json::{Value, json};

use crate::trust_documents::grant::{Grant, GrantError, SubjectPattern};
use crate::trust_documents::quoting::{name, shell, terraform, terraform_value};

/// The role that trusts runs.
#[derive(Clone, Debug)]
pub struct VaultTarget {
    /// The role's name.
    pub role_name: String,
    /// The mount path of the auth method.
    pub mount: String,
    /// Vault policies of the role's tokens.
    pub policies: Vec<String>,
}

/// A run can log in again, so its Vault tokens are short-lived.
const TOKEN_TTL: &str = "15m";
const TOKEN_MAX_TTL: &str = "1h";

impl VaultTarget {
    /// The role alone. Errors if Vault cannot express it.
    pub fn json(&self, grant: &Grant) -> Result<Value, GrantError> {
        let patterns = grant.subjects("Vault")?;
        let subjects: Vec<String> = patterns.iter().map(SubjectPattern::glob).collect();
        let exact = patterns.iter().all(SubjectPattern::is_exact);
        let mut role = json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [grant.audience],
        });
        if let (true, [one]) = (exact, subjects.as_slice()) {
            role["bound_subject"] = json!(one);
        } else {
            role["bound_claims_type"] = json!(if exact { "string" } else { "glob" });
            role["bound_claims"] = json!({"sub": subjects});
        }
        role["token_policies"] = json!(self.policies);
        role["token_ttl"] = json!(TOKEN_TTL);
        role["token_max_ttl"] = json!(TOKEN_MAX_TTL);
        Ok(role)
    }

    /// The auth method and the role as commands of `vault`.
    pub fn cli(&self, grant: &Grant) -> Result<String, GrantError> {
        let role = format!("{:#}", self.json(grant)?);
        let issuer = shell(grant.issuer.as_str());
        let mount = &self.mount;
        Ok(format!(
            "vault auth enable -path={} jwt\n\n\
             vault write {} \\\n  oidc_discovery_url={issuer} \\\n  bound_issuer={issuer}\n\n\
             printf '%s' {} | vault write {} -\n",
            shell(mount),
            shell(&format!("auth/{mount}/config")),
            shell(&role),
            shell(&format!("auth/{mount}/role/{}", self.role_name)),
        ))
    }

    /// The auth method and the role for Terraform.
    pub fn terraform(&self, grant: &Grant) -> Result<String, GrantError> {
        let role = self.json(grant)?;
        let issuer = terraform(grant.issuer.as_str());
        let backend = name(&self.mount, '_', 60);
        let mut members = String::new();
        for (member, value) in role.as_object().into_iter().flatten() {
            let value = match member.as_str() {
                // The provider has one text for each claim, with commas between alternatives.
                "bound_claims" => {
                    let subjects: Vec<&str> =
                        value["sub"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    if subjects.iter().any(|subject| subject.contains(',')) {
                        return Err(GrantError::Unfit("a subject has a comma, which the Terraform provider takes for a separator: use --format cli".to_owned()));
                    }
                    terraform_value(&json!({"sub": subjects.join(",")}), 1)
                }
                "token_ttl" => "900".to_owned(),
                "token_max_ttl" => "3600".to_owned(),
                _ => terraform_value(value, 1),
            };
            members.extend(["  ", member, " = ", &value, "\n"]);
        }
        Ok(format!(
            "resource \"vault_jwt_auth_backend\" \"auth_{backend}\" {{\n  path = {}\n  oidc_discovery_url = {issuer}\n  bound_issuer = {issuer}\n}}\n\n\
             resource \"vault_jwt_auth_backend_role\" \"role_{}\" {{\n  backend = vault_jwt_auth_backend.auth_{backend}.path\n  role_name = {}\n{members}}}\n",
            terraform(&self.mount),
            name(&self.role_name, '_', 60),
            terraform(&self.role_name),
        ))
    }
}
