//! Kubernetes' structured authentication: `AuthenticationConfiguration` of `apiserver.config.k8s.io` (Kubernetes
//! documentation, "Authenticating", "Using Authentication Configuration").

mod configuration;
mod evaluate;
mod lint;
mod write;

pub use self::configuration::{AuthenticationConfiguration, ConfigurationError};
pub use self::write::KubernetesTarget;
