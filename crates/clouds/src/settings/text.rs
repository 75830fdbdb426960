//! Names that clouds give to things, each of the one form that its cloud accepts. None can carry white
//! space, a quote or a line's end into a variable, a file or a command.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{found}` is no {expected}")]
pub struct TextError {
    pub expected: &'static str,
    /// The beginning of what was found.
    pub found: String,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $is:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
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

text!(RoleArn, "ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`)", |text| {
    iam_resource(text, "role/", false)
});
text!(
    SessionPolicyArn,
    "ARN of a managed policy (`arn:aws:iam::aws:policy/NAME` or with an account instead of `aws`)",
    |text| iam_resource(text, "policy/", true)
);
text!(RoleSessionName, "session name: 2 to 64 of letters, digits and `_+=,.@-`", |text| is_session_name(
    text
));
text!(Region, "region, as `eu-central-1` or `europe-west4`", |text| {
    (2..=40).contains(&text.len())
        && starts_with_lower(text)
        && is_lower_or(text, "-")
        && !text.ends_with('-')
});
text!(Guid, "GUID, as `00000000-0000-0000-0000-000000000000`", |text| {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
});
text!(
    /// Google knows a project by name and by number; a pool is found by number only.
    ProjectNumber,
    "project number: digits, as `gcloud projects describe` says under `projectNumber`",
    |text| {
        (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
    }
);
text!(
    /// Of a workload identity pool or of its provider.
    PoolId,
    "id of a pool or provider: 4 to 32 lower-case letters, digits and `-`, not beginning with `gcp-`",
    |text| (4..=32).contains(&text.len()) && is_lower_or(text, "-") && !text.starts_with("gcp-")
);
text!(
    ServiceAccount,
    "e-mail address of a service account (`NAME@PROJECT.iam.gserviceaccount.com`)",
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
text!(Scope, "scope, as `https://www.googleapis.com/auth/cloud-platform`", |text| {
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
    /// A number is written with quotes or without.
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

/// What STS takes as `RoleSessionName` and as source identity.
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
