//! Writes workload identity pool providers.

use serde_json::{Value, json};

use super::limits::{MAX_CONDITION_CHARS, MAX_SUBJECT_BYTES};
use super::resource::resource;
use crate::trust_documents::grant::{Grant, GrantError, SubjectPattern};
use crate::trust_documents::quoting::{name, shell, terraform};
use crate::trust_documents::subject_form::{OPERATION, PROJECT, STACK};

/// The provider that trusts runs.
#[derive(Clone, Debug)]
pub struct GoogleTarget {
    /// Digits, not the project's name.
    pub project_number: String,
    /// The pool's ID.
    pub pool: String,
    /// The provider's ID in the pool.
    pub provider: String,
    /// The account that runs impersonate; without one, grant roles to the pool's identities.
    pub service_account: Option<String>,
}

struct Fixed {
    name: String,
    expression: String,
    values: Vec<String>,
}

impl GoogleTarget {
    /// The default audience of the provider.
    pub fn audience(&self) -> String {
        format!("https:{}", resource(&self.project_number, &self.pool, &self.provider))
    }

    fn mapping(grant: &Grant) -> Result<Vec<(String, String)>, GrantError> {
        let patterns = grant.subject_patterns();
        let always = grant.form.max_bytes.is_some_and(|most| most <= MAX_SUBJECT_BYTES);
        let fits =
            always || patterns.iter().all(|one| one.is_exact() && one.glob().len() <= MAX_SUBJECT_BYTES);
        // Subjects are or may be too long for Google. The run's id always fits, and the condition reads the subject.
        let subject = match (fits, grant.form.run_id) {
            (true, _) => "assertion.sub",
            (false, true) => "assertion.run_id",
            (false, false) => {
                return Err(GrantError::Unfit(format!(
                    "google.subject has at most {MAX_SUBJECT_BYTES} bytes, subjects for this audience may be longer, and the audience profile `{}` leaves out run_id, which could be mapped instead: include run_id in it, or give it a shorter subject with \"max_subject_bytes\": {MAX_SUBJECT_BYTES} (`runmint audience-profile preset google`)",
                    grant.profile.as_deref().unwrap_or(&grant.audience)
                )));
            }
        };
        let mut mapping = vec![("google.subject".to_owned(), subject.to_owned())];
        mapping.push(("attribute.sub".to_owned(), "assertion.sub".to_owned()));
        mapping
            .extend(Self::fixed(grant).map(|fixed| (format!("attribute.{}", fixed.name), fixed.expression)));
        Ok(mapping)
    }

    fn condition(grant: &Grant) -> Result<String, GrantError> {
        let condition = grant.expression("assertion", "Google")?.join(" && ");
        let count = condition.chars().count();
        if count > MAX_CONDITION_CHARS {
            return Err(GrantError::TooMany {
                relying_party: "Google",
                what: "characters of attribute condition",
                count,
                most: MAX_CONDITION_CHARS,
                advice: ": name fewer stacks and operations, or omit one of the two flags",
            });
        }
        Ok(condition)
    }

    /// The provider as `gcloud` prints it. Errors if Google cannot express or accept it.
    pub fn json(&self, grant: &Grant) -> Result<Value, GrantError> {
        if !grant.issuer.is_https() {
            return Err(GrantError::Unfit(
                "Google fetches keys over https, but this issuer is on one machine only".to_owned(),
            ));
        }
        let mapping: serde_json::Map<String, Value> =
            Self::mapping(grant)?.into_iter().map(|(name, text)| (name, text.into())).collect();
        Ok(json!({
            "name": resource(&self.project_number, &self.pool, &self.provider).trim_start_matches("//iam.googleapis.com/"),
            "displayName": name(&grant.title(), ' ', 32),
            "oidc": {"issuerUri": grant.issuer.as_str(), "allowedAudiences": [grant.audience]},
            "attributeMapping": mapping,
            "attributeCondition": Self::condition(grant)?,
        }))
    }

    /// The common values of the granted runs, as one attribute. A pool may have other providers, so the project or
    /// the stack alone would not identify these runs.
    fn fixed(grant: &Grant) -> Option<Fixed> {
        if !grant.form.org {
            return None;
        }
        let scope = &grant.scope;
        let all = [
            (PROJECT, scope.project.iter().cloned().collect()),
            (STACK, scope.stacks.clone()),
            (OPERATION, scope.operations.clone()),
        ];
        let (mut name, mut expression) = ("org".to_owned(), "assertion.org".to_owned());
        let mut values = vec![scope.organization.as_str().to_owned()];
        for (attribute, fixed) in all.into_iter().filter(|(_, fixed): &(_, Vec<String>)| !fixed.is_empty()) {
            let claim = grant.form.claim_of(attribute)?;
            name = format!("{name}_{attribute}");
            expression = format!("{expression} + '/' + assertion.{claim}");
            values = values
                .iter()
                .flat_map(|before| fixed.iter().map(move |one| format!("{before}/{one}")))
                .collect();
        }
        // If names contain slashes, different runs could have the same text.
        let depth = name.matches('_').count();
        let distinct = values.iter().all(|value| value.matches('/').count() == depth);
        distinct.then_some(Fixed { name, expression, values })
    }

    /// The principals that may impersonate the service account.
    fn members(&self, grant: &Grant) -> Result<Vec<String>, GrantError> {
        let (number, pool) = (&self.project_number, &self.pool);
        let set = format!(
            "principalSet://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}"
        );
        let patterns = grant.subject_patterns();
        if patterns.iter().all(SubjectPattern::is_exact) && grant.untold().is_empty() {
            return Ok(patterns.iter().map(|one| format!("{set}/attribute.sub/{}", one.glob())).collect());
        }
        let fixed = Self::fixed(grant).ok_or_else(|| {
            GrantError::Unfit(
                "no claims identify exactly these runs, so no member can be written: name stacks and operations, or omit --service-account".to_owned(),
            )
        })?;
        Ok(fixed.values.iter().map(|value| format!("{set}/attribute.{}/{value}", fixed.name)).collect())
    }

    /// The pool, the provider and the members as commands of `gcloud`.
    pub fn cli(&self, grant: &Grant) -> Result<String, GrantError> {
        let condition = Self::condition(grant)?;
        self.json(grant)?;
        let mapping: Vec<String> =
            Self::mapping(grant)?.into_iter().map(|(name, text)| format!("{name}={text}")).collect();
        let (project, pool) = (shell(&self.project_number), shell(&self.pool));
        let mut text = format!(
            "gcloud iam workload-identity-pools create {pool} \\\n  --project {project} \\\n  --location global\n\n\
             gcloud iam workload-identity-pools providers create-oidc {} \\\n  --project {project} \\\n  --location global \\\n  \
             --workload-identity-pool {pool} \\\n  --issuer-uri {} \\\n  --allowed-audiences {} \\\n  --attribute-mapping {} \\\n  --attribute-condition {}\n",
            shell(&self.provider),
            shell(grant.issuer.as_str()),
            shell(&grant.audience),
            shell(&mapping.join(",")),
            shell(&condition),
        );
        if let Some(account) = &self.service_account {
            for member in self.members(grant)? {
                text.extend([format!(
                    "\ngcloud iam service-accounts add-iam-policy-binding {} \\\n  --role roles/iam.workloadIdentityUser \\\n  --member {}\n",
                    shell(account),
                    shell(&member)
                )]);
            }
        }
        Ok(text)
    }

    /// The pool, the provider and the members for Terraform.
    pub fn terraform(&self, grant: &Grant) -> Result<String, GrantError> {
        self.json(grant)?;
        let line =
            |(name, text): (String, String)| format!("    {} = {}\n", terraform(&name), terraform(&text));
        let mapping = Self::mapping(grant)?.into_iter().map(line).collect::<Vec<_>>().concat();
        let (pool, provider) = (
            format!("pool_{}", name(&self.pool, '_', 60)),
            format!("provider_{}", name(&self.provider, '_', 60)),
        );
        let project = terraform(&self.project_number);
        let mut text = format!(
            "resource \"google_iam_workload_identity_pool\" \"{pool}\" {{\n  project                   = {project}\n  workload_identity_pool_id = {}\n}}\n\n\
             resource \"google_iam_workload_identity_pool_provider\" \"{provider}\" {{\n  project                            = {project}\n  \
             workload_identity_pool_id          = google_iam_workload_identity_pool.{pool}.workload_identity_pool_id\n  \
             workload_identity_pool_provider_id = {}\n\n  attribute_mapping = {{\n{mapping}  }}\n\n  attribute_condition = {}\n\n  \
             oidc {{\n    issuer_uri        = {}\n    allowed_audiences = [{}]\n  }}\n}}\n",
            terraform(&self.pool),
            terraform(&self.provider),
            terraform(&Self::condition(grant)?),
            terraform(grant.issuer.as_str()),
            terraform(&grant.audience),
        );
        if let Some(account) = &self.service_account {
            let members: Vec<String> = self.members(grant)?.iter().map(|one| terraform(one)).collect();
            let account = terraform(&format!("projects/-/serviceAccounts/{account}"));
            // A binding would remove every other member of the role.
            text.extend([format!(
                "\nresource \"google_service_account_iam_member\" \"{provider}\" {{\n  for_each           = toset([{}])\n  \
                 service_account_id = {account}\n  role               = \"roles/iam.workloadIdentityUser\"\n  \
                 member             = each.value\n}}\n",
                members.join(", ")
            )]);
        }
        Ok(text)
    }
}
