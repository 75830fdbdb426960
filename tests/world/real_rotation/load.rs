//! Runs that request token after token, and verifiers that check each of them twice: at once, and shortly
//! before it expires.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::StatusCode;
use runmint::clock::{Clock, SystemClock};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::harness::request_path;
use crate::verifiers::Verifier;

/// The interval between requests of each run.
const ASK_EVERY: Duration = Duration::from_millis(80);
/// How long before its expiry a token is shown again.
const LAST_LOOK: Duration = Duration::from_millis(1200);

/// A token as received, and its claims.
pub(super) struct Minted {
    pub(super) jti: String,
    pub(super) kid: String,
    pub(super) issued_at: Timestamp,
    expires_at: Timestamp,
    token: String,
}

/// The events so far.
pub(super) struct Load {
    verifiers: Vec<Verifier>,
    base_url: String,
    http: reqwest::Client,
    stopped: AtomicBool,
    pub(super) tokens: Mutex<Vec<Minted>>,
    pub(super) verifications: AtomicU64,
    /// Requests that got no token: the database or the replica was away.
    pub(super) not_minted: AtomicU64,
    /// Refusals of tokens that had expired by the time of the answer, on a machine that is too busy.
    pub(super) too_late: AtomicU64,
    /// Refusals of valid tokens, which must not happen.
    pub(super) refusals: Mutex<Vec<String>>,
}

impl Minted {
    pub(super) fn parse(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| {
            serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default())
                .unwrap_or_default()
        });
        let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
        let time = |claim: &str| Timestamp::from_second(claims[claim].as_i64().unwrap()).unwrap();
        Self {
            jti: claims["jti"].as_str().unwrap().to_owned(),
            kid: header["kid"].as_str().unwrap().to_owned(),
            issued_at: time("iat"),
            expires_at: time("exp"),
            token: token.to_owned(),
        }
    }
}

impl Load {
    pub(super) fn new(verifiers: Vec<Verifier>, base_url: &str) -> Arc<Self> {
        Arc::new(Self {
            verifiers,
            base_url: base_url.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stopped: AtomicBool::new(false),
            tokens: Mutex::default(),
            verifications: AtomicU64::new(0),
            not_minted: AtomicU64::new(0),
            too_late: AtomicU64::new(0),
            refusals: Mutex::default(),
        })
    }

    /// Each of `runs` requests tokens until `stop`.
    pub(super) fn start(self: &Arc<Self>, runs: &[Value]) -> JoinSet<()> {
        let mut asking = JoinSet::new();
        for run in runs {
            asking.spawn(Arc::clone(self).keep_asking(run.clone()));
        }
        asking
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    async fn keep_asking(self: Arc<Self>, run: Value) {
        let url = format!("{}{}", self.base_url, request_path(&run));
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_looks = JoinSet::new();
        while !self.stopped.load(Ordering::Relaxed) {
            ticks.tick().await;
            if let Some(token) = self.ask(&url, &run).await {
                last_looks.spawn(Arc::clone(&self).show(token));
            }
            // Finished tasks are not kept.
            while last_looks.try_join_next().is_some() {}
        }
        while let Some(shown) = last_looks.join_next().await {
            shown.unwrap();
        }
    }

    /// A token of `run` from whichever server answers at `url`; `None` if it says to try again.
    pub(super) async fn ask(&self, url: &str, run: &Value) -> Option<String> {
        let request = self.http.get(url).bearer_auth(run["request_token"].as_str().unwrap());
        let answer = request.send().await.ok()?;
        match answer.status() {
            StatusCode::OK => {
                let answer: Value = answer.json().await.ok()?;
                Some(answer["value"].as_str().unwrap().to_owned())
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
                self.not_minted.fetch_add(1, Ordering::Relaxed);
                None
            }
            other => panic!("{other}: {}", answer.text().await.unwrap_or_default()),
        }
    }

    /// Shows the token to every verifier now, and again shortly before its expiry.
    pub(super) async fn show(self: Arc<Self>, token: String) {
        let minted = Minted::parse(&token);
        self.verify(&minted, "at once").await;
        let left = minted.expires_at.duration_since(SystemClock.now());
        if let Some(wait) = Duration::try_from(left).ok().and_then(|left| left.checked_sub(LAST_LOOK)) {
            tokio::time::sleep(wait).await;
        }
        self.verify(&minted, "at the end").await;
        self.tokens.lock().unwrap().push(minted);
    }

    async fn verify(&self, minted: &Minted, when: &str) {
        let [one, two, three] = &self.verifiers[..] else { panic!("there are three") };
        let token = &minted.token;
        let verdicts = tokio::join!(one.verify(token), two.verify(token), three.verify(token));
        let now = SystemClock.now();
        for (verifier, verdict) in self.verifiers.iter().zip([verdicts.0, verdicts.1, verdicts.2]) {
            self.verifications.fetch_add(1, Ordering::Relaxed);
            let Err(why) = verdict else { continue };
            if now >= minted.expires_at {
                self.too_late.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let (kid, name) = (&minted.kid, verifier.name);
            let (from, until) = (minted.issued_at, minted.expires_at);
            let refusal = format!("{now}: {name} refuses {when} a token of {kid} ({from} to {until}): {why}");
            self.refusals.lock().unwrap().push(refusal);
        }
    }
}
