//! A session in AWS for the local endpoint: kept in memory, renewed before anybody has to wait for it.

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

/// What has less left is not handed out any more: it might end on its way.
const LEAST_LEFT: SignedDuration = SignedDuration::from_secs(30);

/// STS knows none shorter than a quarter of an hour and none longer than twelve.
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
    /// The run has ended: nobody gets its credentials from here any more.
    Ended(String),
}

impl AwsSession {
    /// With credentials from the start: what is wrong is told before the command begins, and no client waits.
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
        match &*self.current.lock().expect("nobody panics holding it") {
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
        *self.current.lock().expect("nobody panics holding it") = next;
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
        "the session in AWS"
    }

    async fn renew(&mut self) -> Renewed {
        let _turn = self.session.exchanging.lock().await;
        match self.session.exchange().await {
            Ok(credentials) => Renewed::Until(lease(&credentials)),
            Err(NoCredentials::NoToken(NoToken::Ended(why))) => {
                Renewed::Last(format!("not renewed and not handed out any more: {why}"))
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
    // A clock that is wrong must not make us ask STS without end.
    let lifetime = credentials.expires_at.duration_since(from).clamp(SHORTEST, LONGEST);
    Lease { from, lifetime }
}
