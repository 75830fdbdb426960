//! Whether this process can mint.

use crate::app::App;

/// Each part with what is wrong with it, or `None`.
pub struct Readiness {
    pub database: Option<&'static str>,
    pub signing_key: Option<&'static str>,
}

impl Readiness {
    pub fn is_ready(&self) -> bool {
        self.database.is_none() && self.signing_key.is_none()
    }
}

pub async fn readiness(app: &App) -> Readiness {
    Readiness {
        database: app.store.ping().await.err().map(|_| "the database does not answer"),
        signing_key: app.keyring.load().active().is_none().then_some("no signing key is active"),
    }
}
