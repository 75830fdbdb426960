//! An AWS session for the local endpoint: kept in memory and renewed ahead of time, so that clients never wait.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use tokio::sync::Mutex as AsyncMutex;

use super::renewal::{Lease, Renewable, Renewed};
use crate::cli::clouds::handover::exchanges::{Exchanges, NoCredentials};
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::NoToken;
use crate::clock::{Clock, SystemClock};
use crate::clouds::exchange::aws::AwsCredentials;
use crate::clouds::settings::{AwsSettings, RoleSessionName};

/// With less validity left, credentials could expire on their way to the cloud.
const LEAST_LEFT: SignedDuration = SignedDuration::from_secs(30);

/// STS grants sessions of 15 minutes to 12 hours.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

pub(super) struct AwsSession {
    exchanges: Arc<Exchanges>,
    settings: AwsSettings,
    name: RoleSessionName,
    current: Mutex<Current>,
    /// One exchange at a time, however many ask.
    exchanging: AsyncMutex<()>,
}

enum Current {
    Credentials(Arc<AwsCredentials>),
    /// The run has ended: its credentials are no longer handed out.
    Ended(String),
}

impl AwsSession {
    /// Gets credentials at once: errors show before the command starts, and no client waits.
    pub(super) async fn begin(
        exchanges: Arc<Exchanges>,
        settings: AwsSettings,
        name: RoleSessionName,
    ) -> Result<(Self, Lease), NoCredentials> {
        let credentials = exchanges.aws(&settings, &name).await?;
        let lease = lease(&credentials);
        let current = Mutex::new(Current::Credentials(Arc::new(credentials)));
        Ok((Self { exchanges, settings, name, current, exchanging: AsyncMutex::default() }, lease))
    }

    pub(super) async fn credentials(&self) -> Result<Arc<AwsCredentials>, NoCredentials> {
        if let Some(current) = self.usable()? {
            return Ok(current);
        }
        let _turn = self.exchanging.lock().await;
        match self.usable()? {
            Some(current) => Ok(current),
            None => self.exchange().await,
        }
    }

    fn usable(&self) -> Result<Option<Arc<AwsCredentials>>, NoCredentials> {
        match &*self.current.lock().expect("no holder of the lock panics") {
            Current::Ended(why) => Err(NoCredentials::NoToken(NoToken::Ended(why.clone()))),
            Current::Credentials(credentials) => {
                let left = credentials.expires_at.duration_since(SystemClock.now());
                Ok((left > LEAST_LEFT).then(|| Arc::clone(credentials)))
            }
        }
    }

    async fn exchange(&self) -> Result<Arc<AwsCredentials>, NoCredentials> {
        let exchanged = self.exchanges.aws(&self.settings, &self.name).await.map(Arc::new);
        let next = match &exchanged {
            Ok(credentials) => Current::Credentials(Arc::clone(credentials)),
            Err(NoCredentials::NoToken(NoToken::Ended(why))) => Current::Ended(why.clone()),
            Err(_) => return exchanged,
        };
        *self.current.lock().expect("no holder of the lock panics") = next;
        exchanged
    }
}

/// Renews a session.
pub(super) struct Kept {
    pub(super) session: Arc<AwsSession>,
    pub(super) masking: Arc<Masking>,
}

impl Renewable for Kept {
    fn name(&self) -> &'static str {
        "the AWS session"
    }

    async fn renew(&mut self) -> Renewed {
        let _turn = self.session.exchanging.lock().await;
        match self.session.exchange().await {
            Ok(credentials) => Renewed::Until(lease(&credentials)),
            Err(NoCredentials::NoToken(NoToken::Ended(why))) => {
                Renewed::Last(format!("no longer renewed or handed out: {why}"))
            }
            Err(why) => Renewed::Failed(why.text().to_owned()),
        }
    }

    fn say(&self, text: &str) {
        self.masking.say(text);
    }
}

fn lease(credentials: &AwsCredentials) -> Lease {
    let from = SystemClock.now();
    // A wrong clock must not make us ask STS in a loop.
    let lifetime = credentials.expires_at.duration_since(from).clamp(SHORTEST, LONGEST);
    Lease { from, lifetime }
}
