//! Names of cloud resources, each in the form that its cloud accepts. None contains white space, quotes or line breaks,
//! so that all are safe in variables, files and commands.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

/// Text that is not of the expected form.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{found}` is not {expected}")]
pub struct TextError {
    /// The expected form, with its article.
    pub expected: &'static str,
    /// The first 80 characters of the text.
    pub found: String,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $is:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                let is: fn(&str) -> bool = $is;
                if is(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(TextError { expected: $expected, found: text.chars().take(80).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! deserialize_from_text {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

text!(
    /// The ARN of an IAM role (IAM User Guide, "IAM identifiers").
    RoleArn, "an ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`)", |text| {
    iam_resource(text, "role/", false)
});
text!(
    /// The ARN of a managed policy, of AWS or of an account.
    SessionPolicyArn,
    "an ARN of a managed policy (`arn:aws:iam::aws:policy/NAME` or with an account instead of `aws`)",
    |text| iam_resource(text, "policy/", true)
);
text!(
    /// `RoleSessionName` of the AWS STS API.
    RoleSessionName, "a session name: 2 to 64 of letters, digits and `_+=,.@-`", |text| is_session_name(
    text
));
text!(
    /// A region of AWS or Google Cloud.
    Region, "a region such as `eu-central-1` or `europe-west4`", |text| {
    (2..=40).contains(&text.len())
        && starts_with_lower(text)
        && is_lower_or(text, "-")
        && !text.ends_with('-')
});
text!(
    /// The id of an Entra application, tenant or subscription.
    Guid, "a GUID such as `00000000-0000-0000-0000-000000000000`", |text| {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
});
text!(
    /// The number of a Google Cloud project; a pool is addressed by the number only.
    ProjectNumber,
    "a project number: the digits in `projectNumber` of `gcloud projects describe`",
    |text| {
        (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
    }
);
text!(
    /// The ID of a workload identity pool or of its provider.
    PoolId,
    "an ID of a pool or provider: 4 to 32 lower-case letters, digits and `-`, not beginning with `gcp-`",
    |text| (4..=32).contains(&text.len()) && is_lower_or(text, "-") && !text.starts_with("gcp-")
);
text!(
    /// The e-mail address of a Google service account.
    ServiceAccount,
    "an e-mail address of a service account (`NAME@PROJECT.iam.gserviceaccount.com`)",
    |text| {
        let Some((name, domain)) = text.split_once('@') else { return false };
        (1..=63).contains(&name.len())
            && is_lower_or(name, "-")
            && domain.len() <= 191
            && domain.ends_with(".gserviceaccount.com")
            && !domain.contains("..")
            && starts_with_lower_or_digit(domain)
            && is_lower_or(domain, "-.")
    }
);
text!(
    /// An OAuth 2.0 scope of Google's APIs.
    Scope, "a scope such as `https://www.googleapis.com/auth/cloud-platform`", |text| {
    text.len() <= 200
        && text.strip_prefix("https://").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b))
        })
});

deserialize_from_text!(
    RoleArn,
    SessionPolicyArn,
    RoleSessionName,
    Region,
    Guid,
    PoolId,
    ServiceAccount,
    Scope
);

impl<'de> Deserialize<'de> for ProjectNumber {
    /// Accepts a number and a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a project's number is digits, not the project's name")]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        }
        .parse()
        .map_err(de::Error::custom)
    }
}

/// A valid `RoleSessionName` or source identity of STS.
fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && is_iam_name(text)
}

fn is_iam_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// `arn:PARTITION:iam::ACCOUNT:KIND[PATH/]NAME`.
fn iam_resource(text: &str, kind: &str, may_be_aws_managed: bool) -> bool {
    let Some(rest) = text.strip_prefix("arn:") else { return false };
    let Some((partition, rest)) = rest.split_once(":iam::") else { return false };
    let Some((account, resource)) = rest.split_once(':') else { return false };
    let Some(path_and_name) = resource.strip_prefix(kind) else { return false };
    let name = path_and_name.rsplit('/').next().unwrap_or_default();
    matches!(partition, "aws" | "aws-cn" | "aws-us-gov")
        && (is_account(account) || may_be_aws_managed && account == "aws")
        && text.len() <= 2_048
        && (1..=128).contains(&name.len())
        && path_and_name.split('/').all(|segment| !segment.is_empty() && is_iam_name(segment))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_lower_or(text: &str, others: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || others.as_bytes().contains(&b))
}

fn starts_with_lower(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn starts_with_lower_or_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
}
