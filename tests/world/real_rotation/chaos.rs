//! Faults in an order that a seed decides: replicas are killed, the database goes away, and a replica sleeps
//! through a rotation.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::fast::{self, SERVE_STALE};
use super::load::{Load, Minted};
use super::postgres::Postgres;
use super::replicas::{COUNT, Replicas};
use super::watch::Watch;
use crate::harness::{Answer, DEADLINE, Service, request_path};

/// How long the database stays away, in addition to the time for stopping and starting it.
const AWAY: Duration = Duration::from_secs(1);
/// The number of requests that reach a replica while it is paused.
const WAITING: usize = 5;

pub(super) struct Chaos {
    pub(super) replicas: Replicas,
    pub(super) postgres: Postgres,
    pub(super) load: Arc<Load>,
    pub(super) watch: Arc<Watch>,
    /// The run whose tokens are requested at one replica directly, bypassing the proxy.
    run: Value,
    pub(super) seed: u64,
    random: u64,
    pub(super) counts: Counts,
}

#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) kills: u64,
    pub(super) pauses: u64,
    /// Tokens of processes that were paused, requested before they resumed or just then.
    pub(super) after_pauses: u64,
    pub(super) database_stops: u64,
    pub(super) longest_outage: Duration,
    /// The keys that took over on request.
    pub(super) asked: Vec<String>,
}

impl Chaos {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the world that it disturbs")]
    pub(super) fn new(
        replicas: Replicas,
        postgres: Postgres,
        load: Arc<Load>,
        watch: Arc<Watch>,
        run: Value,
        seed: u64,
    ) -> Self {
        Self { replicas, postgres, load, watch, run, seed, random: seed, counts: Counts::default() }
    }

    /// Runs until this many rotations have happened. Every other one is requested, with a replica paused.
    pub(super) async fn reign(&mut self, rotations: i64) {
        while self.watch.seen.borrow().rotations < rotations {
            if self.counts.kills >= 2 * (self.counts.database_stops + 1) {
                self.stop_database().await;
            } else {
                let number = self.random_replica();
                self.kill(number).await;
            }
            // A rotation waits for a new replica until it has served the next key for max-age.
            let max_age = fast::timing().jwks_max_age.unsigned_abs();
            sleep(max_age + Duration::from_millis(500 + self.random(1000))).await;
            let seen = *self.watch.seen.borrow();
            if seen.rotations % 2 == 0 && seen.rotation_is_safe_in < 3_000 {
                sleep(Duration::from_millis(seen.rotation_is_safe_in.max(0).unsigned_abs())).await;
                self.pause_across_a_rotation().await;
            }
        }
    }

    /// Kills a replica and starts another in its place, as an orchestrator does.
    async fn kill(&mut self, number: usize) {
        self.replicas.kill(number);
        self.counts.kills += 1;
        sleep(Duration::from_millis(self.random(300))).await;
        self.replicas.start_again(number);
    }

    async fn stop_database(&mut self) {
        let began = std::time::Instant::now();
        block_in_place(|| self.postgres.stop());
        self.counts.database_stops += 1;
        let victim = (self.random(2) == 0).then(|| self.random_replica());
        if let Some(number) = victim {
            self.replicas.kill(number);
            self.counts.kills += 1;
        }
        sleep(AWAY).await;
        block_in_place(|| self.postgres.start_again());
        self.counts.longest_outage = self.counts.longest_outage.max(began.elapsed());
        assert!(began.elapsed() < SERVE_STALE, "this machine is too busy: {:?}", began.elapsed());
        if let Some(number) = victim {
            self.replicas.start_again(number);
        }
    }

    /// A process that sleeps through a rotation does not sign with the old key when it resumes: neither for
    /// requests that waited nor for later ones.
    async fn pause_across_a_rotation(&mut self) {
        let number = self.random_replica();
        let paused = self.replicas.service(number);
        paused.process.pause();
        self.counts.pauses += 1;
        let url = format!("http://{}{}", paused.address, request_path(&self.run));
        let ask = || {
            let (load, url, run) = (Arc::clone(&self.load), url.clone(), self.run.clone());
            tokio::spawn(async move { load.ask(&url, &run).await })
        };
        let waiting: Vec<_> = (0..WAITING).map(|_| ask()).collect();

        let (kid, signs_from) = self.rotate(number).await;
        self.counts.asked.push(kid.clone());
        let in_force = signs_from + fast::timing().grace();
        sleep(in_force.duration_since(SystemClock.now()).unsigned_abs()).await;
        assert!(waiting.iter().all(|one| !one.is_finished()), "it slept");

        paused.process.signal("CONT");
        let at_once: Vec<_> = (0..WAITING).map(|_| ask()).collect();
        for asked in waiting.into_iter().chain(at_once) {
            let Some(token) = asked.await.unwrap() else { continue };
            assert_eq!(Minted::parse(&token).kid, kid, "it signed with the old key");
            self.counts.after_pauses += 1;
            tokio::spawn(Arc::clone(&self.load).show(token));
        }
    }

    /// Rotates as soon as it is allowed. All replicas but `asleep` are asked at once, and one rotation
    /// happens.
    async fn rotate(&self, asleep: usize) -> (String, Timestamp) {
        let awake = (1..COUNT).map(|step| self.replicas.service((asleep + step) % COUNT));
        let awake: [&Service; COUNT - 1] = awake.collect::<Vec<_>>().try_into().ok().expect("one sleeps");
        let none = json!({});
        let trying = async {
            loop {
                let ask = async |service: &Service| {
                    service.post(&self.replicas.admin, "/api/keys/rotate", &none).await
                };
                let answers = tokio::join!(ask(awake[0]), ask(awake[1]));
                let (rotated, refused): (Vec<Answer>, Vec<Answer>) =
                    [answers.0, answers.1].into_iter().partition(|answer| answer.status.is_success());
                for answer in &refused {
                    assert!(
                        [409, 503].contains(&answer.status.as_u16()),
                        "{} {}",
                        answer.status,
                        answer.text
                    );
                }
                match &rotated[..] {
                    [] => sleep(Duration::from_millis(50)).await,
                    [rotation] => return rotation.json(),
                    both => panic!("two rotations: {} {}", both[0].text, both[1].text),
                }
            }
        };
        let rotation = tokio::time::timeout(DEADLINE, trying).await.expect("it becomes safe");
        let text = |name: &str| rotation[name].as_str().unwrap().to_owned();
        (text("kid"), text("signs_from").parse().unwrap())
    }

    fn random_replica(&mut self) -> usize {
        usize::try_from(self.random(COUNT as u64)).unwrap()
    }

    /// Below `bound` (SplitMix64).
    fn random(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
