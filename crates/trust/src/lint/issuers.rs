//! Facts about widely used issuers.
//!
//! Sources: GitHub, "OpenID Connect reference"; GitLab, "OpenID Connect (OIDC) Authentication Using ID
//! Tokens"; Buildkite, "buildkite-agent oidc"; CircleCI, "Using OpenID Connect tokens in jobs".

use crate::policy::Policy;

/// A platform whose tokens are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Github,
    Gitlab,
    Buildkite,
    CircleCi,
    AzureDevops,
    Kubernetes,
    Other,
}

/// Whether the issuer's users cannot choose a token's audience.
pub(super) fn fixes_the_audience(issuer_url: &str, platform: Platform) -> bool {
    matches!(platform, Platform::CircleCi | Platform::AzureDevops)
        || host_and_path(issuer_url).0 == "login.microsoftonline.com"
}

impl Platform {
    /// By the issuer's URL; for self-hosted platforms, by the claims that their policies match.
    pub fn of(issuer_url: &str, policies: &[Policy]) -> Self {
        let (host, path) = host_and_path(issuer_url);
        match host {
            "token.actions.githubusercontent.com" => return Self::Github,
            "gitlab.com" => return Self::Gitlab,
            "agent.buildkite.com" => return Self::Buildkite,
            "oidc.circleci.com" => return Self::CircleCi,
            "vstoken.dev.azure.com" => return Self::AzureDevops,
            "container.googleapis.com" => return Self::Kubernetes,
            _ if path == "_services/token" => return Self::Github,
            _ if host.starts_with("oidc.eks.") || host.ends_with(".oic.prod-aks.azure.com") => {
                return Self::Kubernetes;
            }
            _ => {}
        }
        let looked_for = |prefix: &str, claim: &str| {
            policies.iter().any(|policy| {
                policy.rules().iter().any(|rule| rule.claim.members()[0] == claim)
                    || policy.rule("sub").is_some_and(|rule| rule.pattern.as_str().starts_with(prefix))
            })
        };
        if looked_for("project_path:", "project_path") {
            Self::Gitlab
        } else if looked_for("system:serviceaccount:", "kubernetes.io") {
            Self::Kubernetes
        } else {
            Self::Other
        }
    }

    /// Claims that name the customer, or something that only one customer has.
    pub(super) fn tenant_claims(self) -> &'static [&'static str] {
        match self {
            // Not `job_workflow_ref`: every customer may call another's public workflow. Not `actor`: a user may act
            // in other customers' repositories.
            Self::Github => &[
                "repository_id",
                "repository_owner_id",
                "repository",
                "repository_owner",
                "enterprise_id",
                "enterprise",
                "workflow_ref",
            ],
            // Not `user_id` or `user_login`: a user who pushes to another's project is the user of its pipelines.
            Self::Gitlab => &["project_id", "namespace_id", "project_path", "namespace_path"],
            Self::Buildkite => {
                &["organization_id", "pipeline_id", "cluster_id", "queue_id", "agent_id", "organization_slug"]
            }
            _ => &[],
        }
    }

    /// Claims that identify a workload as `sub` would.
    pub(super) fn subject_claims(self) -> &'static [&'static str] {
        match self {
            Self::Github => &["repository", "repository_id", "workflow_ref"],
            Self::Gitlab => &["project_path", "project_id"],
            Self::Buildkite => &["pipeline_id", "pipeline_slug", "cluster_id", "queue_id"],
            Self::CircleCi => &["oidc.circleci.com/project-id"],
            Self::AzureDevops => &["prj_id", "def_id", "rpo_id"],
            Self::Kubernetes | Self::Other => &[],
        }
    }

    /// Claims with a name that can pass to another owner, and claims with ids that cannot.
    pub(super) fn mutable_claims(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Github => &[
                ("repository", &["repository_id"]),
                ("repository_owner", &["repository_owner_id", "repository_id"]),
                ("workflow_ref", &["repository_id"]),
                ("actor", &["actor_id"]),
                ("enterprise", &["enterprise_id"]),
            ],
            Self::Gitlab => &[
                ("project_path", &["project_id"]),
                ("namespace_path", &["namespace_id", "project_id"]),
                ("user_login", &["user_id"]),
            ],
            Self::Buildkite => &[
                ("organization_slug", &["organization_id", "pipeline_id"]),
                ("pipeline_slug", &["pipeline_id"]),
            ],
            Self::CircleCi => &[("oidc.circleci.com/vcs-origin", &["oidc.circleci.com/project-id"])],
            Self::AzureDevops | Self::Kubernetes | Self::Other => &[],
        }
    }

    /// The beginning of a subject with mutable names, and claims with ids that bind it.
    pub(super) fn mutable_subject(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::Github => Some((&["repo:", "repository:", "repository_owner:"], &["repository_id"])),
            Self::Gitlab => Some((&["project_path:"], &["project_id"])),
            Self::Buildkite => Some((&["organization:"], &["pipeline_id"])),
            Self::AzureDevops => Some((&["p://", "sc://"], &["prj_id", "def_id"])),
            Self::CircleCi | Self::Kubernetes | Self::Other => None,
        }
    }

    /// The parts of a subject that name the customer if their value is complete: the part, and the characters that
    /// end its value.
    pub(super) fn subject_tenants(self) -> &'static [(&'static str, &'static [char])] {
        match self {
            // An owner's name ends at `/`, or at `@` and its id (format of July 2026).
            Self::Github => &[
                ("repo:", &['/', '@']),
                ("repository:", &['/']),
                ("repository_owner:", &[':']),
                ("repository_owner_id:", &[':']),
                ("repository_id:", &[':']),
                ("enterprise:", &[':']),
                ("enterprise_id:", &[':']),
            ],
            Self::Gitlab => &[("project_path:", &['/']), ("project_id:", &[':']), ("namespace_id:", &[':'])],
            Self::Buildkite => &[("organization:", &[':'])],
            _ => &[],
        }
    }

    pub(super) fn customer(self) -> &'static str {
        match self {
            Self::Github => "repository owner on GitHub",
            Self::Gitlab => "group on GitLab",
            Self::Buildkite => "organization on Buildkite",
            _ => "customer of this issuer",
        }
    }
}

/// Whether every customer of the platform gets tokens of this issuer. An enterprise's own issuer has a path behind
/// the host.
pub(super) fn is_shared(issuer_url: &str) -> bool {
    let (host, path) = host_and_path(issuer_url);
    matches!(host, "token.actions.githubusercontent.com" | "gitlab.com" | "agent.buildkite.com")
        && path.is_empty()
}

/// Of an https URL, both as they would be compared; the path without slashes at its ends.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host, path.trim_matches('/'))
}
