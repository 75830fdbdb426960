//! Writes trust policies.

use serde_json::{Value, json};

use super::value;
use super::vocabulary::{ASSUME, MAX_POLICY_CHARS, SET_SOURCE_IDENTITY, TAG_SESSION, provider_of};
use crate::trust_documents::grant::{Grant, GrantError, SubjectPattern};
use crate::trust_documents::quoting::{name, shell, terraform, terraform_value};

/// The account and the role that trust runs.
#[derive(Clone, Debug)]
pub struct AwsTarget {
    /// 12 digits.
    pub account: String,
    /// Without path.
    pub role_name: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Whether the account already has the identity provider.
    pub existing_provider: bool,
}

impl AwsTarget {
    fn provider_arn(&self, grant: &Grant) -> String {
        let provider = provider_of(grant.issuer.as_str());
        format!("arn:{}:iam::{}:oidc-provider/{provider}", self.partition, self.account)
    }

    /// The policy alone. Errors if AWS cannot express or accept it.
    pub fn json(&self, grant: &Grant) -> Result<Value, GrantError> {
        Self::policy(grant, &self.provider_arn(grant).into())
    }

    fn policy(grant: &Grant, provider: &Value) -> Result<Value, GrantError> {
        if !grant.issuer.is_https() {
            return Err(GrantError::Unfit(
                "AWS fetches keys over https, but this issuer is on one machine only".to_owned(),
            ));
        }
        let url = provider_of(grant.issuer.as_str());
        let patterns = grant.subjects("AWS")?;
        let exact = patterns.iter().all(SubjectPattern::is_exact);
        let subjects: Vec<String> = patterns.iter().map(|one| value::literal(&one.glob())).collect();
        let subject = if let [one] = subjects.as_slice() { json!(one) } else { json!(subjects) };
        let (aud, sub) = (format!("{url}:aud"), format!("{url}:sub"));
        let condition = if exact {
            json!({"StringEquals": {aud: grant.audience, sub: subject}})
        } else {
            json!({"StringEquals": {aud: grant.audience}, "StringLike": {sub: subject}})
        };
        let mut actions = vec![ASSUME];
        actions.extend(grant.form.session_tags.then_some(TAG_SESSION));
        actions.extend(grant.form.source_identity.then_some(SET_SOURCE_IDENTITY));
        let action = if let [one] = actions.as_slice() { json!(one) } else { json!(actions) };
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": action,
                "Condition": condition,
            }],
        });
        let count = policy.to_string().chars().count();
        if count > MAX_POLICY_CHARS {
            return Err(GrantError::TooMany {
                relying_party: "AWS",
                what: "characters of trust policy",
                count,
                most: MAX_POLICY_CHARS,
                advice: ": name fewer stacks and operations, or omit one of the two flags",
            });
        }
        Ok(policy)
    }

    /// The identity provider and the role for Terraform.
    pub fn terraform(&self, grant: &Grant) -> Result<String, GrantError> {
        let (kind, label) =
            (if self.existing_provider { "data " } else { "" }, name(grant.issuer.host(), '_', 60));
        let label = format!("issuer_{label}");
        let reference = format!("{}aws_iam_openid_connect_provider.{label}.arn", kind.replace(' ', "."));
        let marked = Self::policy(grant, &"PROVIDER".into())?;
        let policy = terraform_value(&marked, 1).replacen("\"PROVIDER\"", &reference, 1);
        let url = terraform(grant.issuer.as_str());
        let provider = if self.existing_provider {
            format!("data \"aws_iam_openid_connect_provider\" \"{label}\" {{\n  url = {url}\n}}\n")
        } else {
            format!(
                "resource \"aws_iam_openid_connect_provider\" \"{label}\" {{\n  url            = {url}\n  client_id_list = [{}]\n}}\n",
                terraform(&grant.audience)
            )
        };
        let role = format!("role_{}", name(&self.role_name, '_', 60));
        Ok(format!(
            "{provider}\nresource \"aws_iam_role\" \"{role}\" {{\n  name = {}\n\n  assume_role_policy = jsonencode({policy})\n}}\n",
            terraform(&self.role_name),
        ))
    }

    /// The identity provider and the role as commands of the AWS CLI.
    pub fn cli(&self, grant: &Grant) -> Result<String, GrantError> {
        let policy = format!("{:#}", self.json(grant)?);
        let role = shell(&self.role_name);
        let provider = if self.existing_provider {
            format!(
                "aws iam add-client-id-to-open-id-connect-provider \\\n  --open-id-connect-provider-arn {} \\\n  --client-id {}\n",
                shell(&self.provider_arn(grant)),
                shell(&grant.audience)
            )
        } else {
            format!(
                "aws iam create-open-id-connect-provider \\\n  --url {} \\\n  --client-id-list {}\n",
                shell(grant.issuer.as_str()),
                shell(&grant.audience)
            )
        };
        Ok(format!(
            "{provider}\naws iam create-role \\\n  --role-name {role} \\\n  --assume-role-policy-document {}\n",
            shell(&policy)
        ))
    }

    /// The identity provider and the role as a CloudFormation template in JSON.
    pub fn cloudformation(&self, grant: &Grant) -> Result<Value, GrantError> {
        let provider = if self.existing_provider {
            json!(self.provider_arn(grant))
        } else {
            json!({"Fn::GetAtt": ["Issuer", "Arn"]})
        };
        let mut resources = json!({});
        if !self.existing_provider {
            resources["Issuer"] = json!({
                "Type": "AWS::IAM::OIDCProvider",
                "Properties": {"Url": grant.issuer.as_str(), "ClientIdList": [grant.audience]},
            });
        }
        resources["Role"] = json!({
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": self.role_name, "AssumeRolePolicyDocument": Self::policy(grant, &provider)?},
        });
        Ok(json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    }
}
