//! Writes federated identity credentials, one for each stack and operation.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::limits::MAX_CREDENTIALS;
use crate::trust_documents::grant::{Grant, GrantError, SubjectPattern};
use crate::trust_documents::quoting::{name, shell, terraform};

/// The application or identity that gets the credentials.
#[derive(Clone, Debug)]
pub enum AzureOwner {
    /// An application, by its object ID or client ID.
    Application { id: String },
    /// A user-assigned managed identity.
    Identity { name: String, resource_group: String },
}

/// The target of the credentials.
#[derive(Clone, Debug)]
pub struct AzureTarget {
    /// Needed for Terraform and for commands.
    pub owner: Option<AzureOwner>,
}

impl AzureTarget {
    /// The credentials as an array for Microsoft Graph. Errors if Entra cannot express or accept them.
    pub fn json(&self, grant: &Grant) -> Result<Value, GrantError> {
        if !grant.issuer.is_https() {
            return Err(GrantError::Unfit(
                "Entra refuses an issuer that is on loopback or not https".to_owned(),
            ));
        }
        let tells = |attribute: &str| grant.forms().any(|form| form.tells(attribute));
        let open = [
            (grant.scope.project.is_none() && tells("project"), "--project"),
            (grant.scope.stacks.is_empty() && tells("stack"), "--stack"),
            (grant.scope.operations.is_empty() && tells("operation"), "--operation"),
        ];
        let missing: Vec<&str> = open.into_iter().filter(|(open, _)| *open).map(|(_, flag)| flag).collect();
        if !missing.is_empty() {
            let missing = format!("{} (each may be repeated)", missing.join(" and "));
            return Err(GrantError::Open { relying_party: "Azure", missing });
        }
        let subjects = grant.subjects("Azure")?;
        if let Some(open) = subjects.iter().find(|one| !one.is_exact()) {
            return Err(GrantError::Unfit(format!(
                "Azure compares whole subjects, but a part of `{}` is left open",
                open.glob()
            )));
        }
        if subjects.len() > MAX_CREDENTIALS {
            return Err(GrantError::TooMany {
                relying_party: "Azure",
                what: "credentials, one for each stack and operation",
                count: subjects.len(),
                most: MAX_CREDENTIALS,
                advice: ": use several identities, or an audience profile that leaves the operation out of the subject",
            });
        }
        let credential = |subject: &SubjectPattern| {
            json!({
                "name": credential_name(grant, subject),
                "issuer": grant.issuer.as_str(),
                "subject": subject.glob(),
                "audiences": [grant.audience],
                "description": format!("runmint: {}", grant.title()).chars().take(600).collect::<String>(),
            })
        };
        Ok(subjects.iter().map(credential).collect())
    }

    fn owner(&self) -> Result<&AzureOwner, GrantError> {
        let missing = "no application or identity is given: use --application-id, or --identity-name with --resource-group";
        self.owner.as_ref().ok_or_else(|| GrantError::Unfit(missing.to_owned()))
    }

    /// The credentials for Terraform. Errors without an owner.
    pub fn terraform(&self, grant: &Grant) -> Result<String, GrantError> {
        let credentials = self.json(grant)?;
        let owner = self.owner()?;
        let audience = terraform(&grant.audience);
        let resource = |one: &Value| {
            let of = |member: &str| one[member].as_str().unwrap_or_default();
            let label = name(of("name"), '_', 120);
            let [title, issuer, subject] = ["name", "issuer", "subject"].map(|member| terraform(of(member)));
            match owner {
                AzureOwner::Application { id } => format!(
                    "resource \"azuread_application_federated_identity_credential\" \"{label}\" {{\n  application_id = {}\n  \
                     display_name   = {title}\n  issuer         = {issuer}\n  subject        = {subject}\n  audiences      = [{audience}]\n}}\n",
                    terraform(&format!("/applications/{id}"))
                ),
                AzureOwner::Identity { resource_group, .. } => format!(
                    "resource \"azurerm_federated_identity_credential\" \"{label}\" {{\n  name                = {title}\n  \
                     resource_group_name = {}\n  parent_id           = data.azurerm_user_assigned_identity.runs.id\n  \
                     issuer              = {issuer}\n  subject             = {subject}\n  audience            = [{audience}]\n}}\n",
                    terraform(resource_group)
                ),
            }
        };
        let mut parts: Vec<String> = Vec::new();
        if let AzureOwner::Identity { name, resource_group } = owner {
            parts.push(format!(
                "data \"azurerm_user_assigned_identity\" \"runs\" {{\n  name                = {}\n  resource_group_name = {}\n}}\n",
                terraform(name),
                terraform(resource_group)
            ));
        }
        parts.extend(credentials.as_array().into_iter().flatten().map(resource));
        Ok(parts.join("\n"))
    }

    /// The credentials as commands of the Azure CLI. Errors without an owner.
    pub fn cli(&self, grant: &Grant) -> Result<String, GrantError> {
        let credentials = self.json(grant)?;
        let owner = self.owner()?;
        let command = |one: &Value| {
            let of = |member: &str| shell(one[member].as_str().unwrap_or_default());
            match owner {
                AzureOwner::Application { id } => format!(
                    "az ad app federated-credential create \\\n  --id {} \\\n  --parameters {}\n",
                    shell(id),
                    shell(&one.to_string())
                ),
                AzureOwner::Identity { name, resource_group } => format!(
                    "az identity federated-credential create \\\n  --identity-name {} \\\n  --resource-group {} \\\n  --name {} \\\n  --issuer {} \\\n  --subject {} \\\n  --audiences {}\n",
                    shell(name),
                    shell(resource_group),
                    of("name"),
                    of("issuer"),
                    of("subject"),
                    shell(&grant.audience)
                ),
            }
        };
        let commands: Vec<String> = credentials.as_array().into_iter().flatten().map(command).collect();
        Ok(commands.join("\n"))
    }
}

/// A name is unique within an application and never changes, so it describes its subject as far as it fits. The
/// subject's digest ties the name to the subject when other credentials are added or removed.
fn credential_name(grant: &Grant, subject: &SubjectPattern) -> String {
    let mut words = vec!["runmint", grant.scope.organization.as_str()];
    words.extend(grant.scope.project.as_deref());
    words.extend(subject.words.iter().map(String::as_str));
    let digest = digest(&SHA256, subject.glob().as_bytes());
    let number = digest.as_ref().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let number = format!("{number:08x}");
    format!("{}-{number}", name(&words.join("-"), '-', 119 - number.len()))
}
