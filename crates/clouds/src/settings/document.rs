//! The cloud settings of an organization: for all its runs, or for those of a project, a stack or an operation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{AwsSettings, AzureSettings, CloudSettings, GcpSettings};
use runmint_issuer::service::Attributes;

/// The most entries of one organization.
pub const MAX_ENTRIES: usize = 500;
const MAX_NAME_BYTES: usize = 255;

/// All entries of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudDocument(Vec<CloudEntry>);

/// Settings and the runs that they apply to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpSettings>,
}

/// Why a document is refused. Numbers are positions of entries, from 0.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CloudDocumentError {
    #[error("an organization has at most {MAX_ENTRIES} entries of cloud settings")]
    TooMany,
    #[error("settings[{0}]: `stack` needs `project`")]
    StackWithoutProject(usize),
    #[error("settings[{0}]: no cloud is configured: set `aws`, `azure` or `gcp`")]
    Empty(usize),
    #[error("settings[{0}]: a name has 1 to {MAX_NAME_BYTES} bytes and no white space at its ends")]
    Name(usize),
    #[error("settings[{0}]: no service has the operation `{1}`")]
    Operation(usize, String),
    #[error("settings[{0}]: applies to the same runs as settings[{1}]: merge the two entries")]
    Twice(usize, usize),
}

impl CloudDocument {
    /// Checks the entries. `is_operation` knows the valid operations: a mistyped one would match no run, and the runs
    /// it was meant for would get broader settings.
    pub fn new(
        entries: Vec<CloudEntry>,
        is_operation: impl Fn(&str) -> bool,
    ) -> Result<Self, CloudDocumentError> {
        if entries.len() > MAX_ENTRIES {
            return Err(CloudDocumentError::TooMany);
        }
        for (index, entry) in entries.iter().enumerate() {
            let names = [&entry.project, &entry.stack, &entry.operation];
            if !names.into_iter().flatten().all(|name| is_name(name)) {
                return Err(CloudDocumentError::Name(index));
            }
            if entry.stack.is_some() && entry.project.is_none() {
                return Err(CloudDocumentError::StackWithoutProject(index));
            }
            if entry.settings().is_empty() {
                return Err(CloudDocumentError::Empty(index));
            }
            if let Some(unknown) = entry.operation.as_ref().filter(|operation| !is_operation(operation)) {
                return Err(CloudDocumentError::Operation(index, unknown.clone()));
            }
            if let Some(first) = entries[..index].iter().position(|other| other.is_for_the_same(entry)) {
                return Err(CloudDocumentError::Twice(index, first));
            }
        }
        Ok(Self(entries))
    }

    /// A saved document, which was checked before it was saved.
    pub fn of_saved(entries: Vec<CloudEntry>) -> Self {
        Self(entries)
    }

    /// The entries, in the order in which they were given.
    pub fn entries(&self) -> &[CloudEntry] {
        &self.0
    }

    /// For each cloud the settings of the most specific entry: a stack's before its project's before the
    /// organization's, and at each level an operation's before those for all operations.
    pub fn resolve(&self, attributes: &Attributes) -> CloudSettings {
        let mut entries: Vec<&CloudEntry> = self.0.iter().filter(|entry| entry.is_for(attributes)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.closeness()));
        entries.into_iter().fold(CloudSettings::default(), |settings, entry| settings.or(entry.settings()))
    }
}

impl CloudEntry {
    fn settings(&self) -> CloudSettings {
        CloudSettings { aws: self.aws.clone(), azure: self.azure.clone(), gcp: self.gcp.clone() }
    }

    fn is_for(&self, attributes: &Attributes) -> bool {
        let conditions = [("project", &self.project), ("stack", &self.stack), ("operation", &self.operation)];
        conditions.into_iter().all(|(name, wanted)| {
            wanted.as_ref().is_none_or(|wanted| attributes.get(name).is_some_and(|found| found == wanted))
        })
    }

    fn is_for_the_same(&self, other: &Self) -> bool {
        (&self.project, &self.stack, &self.operation) == (&other.project, &other.stack, &other.operation)
    }

    fn closeness(&self) -> (bool, bool, bool) {
        (self.stack.is_some(), self.project.is_some(), self.operation.is_some())
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.trim() == text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(mut about: Value, role: &str) -> Value {
        about["aws"] = json!({"roleArn": format!("arn:aws:iam::123456789012:role/{role}")});
        about
    }

    fn document(entries: &[Value]) -> Result<CloudDocument, CloudDocumentError> {
        let entries = serde_json::from_value(json!(entries)).unwrap();
        CloudDocument::new(entries, |operation| matches!(operation, "preview" | "update"))
    }

    fn role(document: &CloudDocument, attributes: &[(&str, &str)]) -> Option<String> {
        let attributes =
            attributes.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let settings = document.resolve(&attributes);
        settings.aws.map(|aws| aws.role_arn.as_str().rsplit('/').next().unwrap().to_owned())
    }

    #[test]
    fn the_most_specific_entry_wins_for_each_cloud() {
        let azure = json!({
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        });
        let document = document(&[
            entry(json!({"azure": azure}), "all"),
            entry(json!({"operation": "preview"}), "all-preview"),
            entry(json!({"project": "web", "stack": "prod"}), "prod"),
            entry(json!({"project": "web", "operation": "preview"}), "web-preview"),
            entry(json!({"project": "web"}), "web"),
            entry(json!({"project": "web", "stack": "dev", "operation": "preview"}), "dev-preview"),
        ])
        .unwrap();
        for (project, stack, operation, expected) in [
            ("shop", "prod", "update", "all"),
            ("shop", "prod", "preview", "all-preview"),
            ("web", "test", "update", "web"),
            ("web", "test", "preview", "web-preview"),
            // A stack's settings come before those for an operation of its whole project.
            ("web", "prod", "preview", "prod"),
            ("web", "dev", "preview", "dev-preview"),
            ("web", "dev", "update", "web"),
        ] {
            let attributes = [("project", project), ("stack", stack), ("operation", operation)];
            assert_eq!(role(&document, &attributes).as_deref(), Some(expected), "{attributes:?}");
        }
        assert_eq!(role(&document, &[("project", "web"), ("environment", "x")]).as_deref(), Some("web"));
        let run = [("project".to_owned(), "web".to_owned()), ("stack".to_owned(), "prod".to_owned())];
        assert!(document.resolve(&run.into_iter().collect()).azure.is_some(), "from the organization");
    }

    #[test]
    fn refuses_entries_that_match_no_run_or_repeat_another() {
        use CloudDocumentError::*;
        for (about, why) in [
            (json!({"stack": "prod"}), StackWithoutProject(1)),
            (json!({"operation": "previw"}), Operation(1, "previw".into())),
            (json!({"project": ""}), Name(1)),
            (json!({"project": "web "}), Name(1)),
            (json!({}), Twice(1, 0)),
        ] {
            assert_eq!(document(&[entry(json!({}), "a"), entry(about, "b")]), Err(why));
        }
        assert_eq!(document(&[json!({"project": "web"})]), Err(Empty(0)));
        let many: Vec<Value> = (0..501).map(|n| entry(json!({"project": n.to_string()}), "a")).collect();
        assert_eq!(document(&many), Err(TooMany));
        serde_json::from_value::<CloudEntry>(json!({"projects": "web"})).unwrap_err();
    }
}
