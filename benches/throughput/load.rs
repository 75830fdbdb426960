//! The two ways of generating load. Both finish what they began: every answer is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::wire::Wire;

/// Not measured: connections open, caches fill, threads wake up.
const WARM_UP: Duration = Duration::from_millis(300);
/// Keeps one of this many bodies for inspection afterwards.
const SAMPLE_EVERY: u64 = 250;

/// Measures the maximum rate: each connection sends its next request as soon as it has its answer.
pub(crate) struct ClosedLoop<'a> {
    pub(crate) port: u16,
    /// Each connection sends its share of them in a loop.
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) connections: usize,
    pub(crate) seconds: u32,
}

/// Measures latency at a fixed rate: requests are sent on schedule, however long answers take.
pub(crate) struct OpenLoop<'a> {
    pub(crate) port: u16,
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) connections: usize,
    /// Requests per second.
    pub(crate) rate: f64,
    pub(crate) seconds: u32,
}

#[derive(Default)]
pub(crate) struct Outcome {
    /// All answers, including those of the warm-up.
    pub(crate) answers: u64,
    pub(crate) samples: Vec<Vec<u8>>,
    /// Answers per second.
    pub(crate) rate: f64,
    /// Counted from the scheduled time of the request, so waiting for a free connection is included.
    pub(crate) latencies: Vec<Duration>,
}

impl ClosedLoop<'_> {
    pub(crate) async fn run(&self) -> Result<Outcome> {
        let from = Instant::now() + WARM_UP;
        let to = from + Duration::from_secs(u64::from(self.seconds));
        let mut connections = JoinSet::new();
        for index in 0..self.connections {
            let share = share(self.requests, index, self.connections);
            let mut client = Client::connect(self.port, share).await?;
            connections.spawn(async move {
                let mut measured = 0_u64;
                loop {
                    client.ask().await?;
                    let now = Instant::now();
                    if now >= to {
                        return Ok((client, measured, Vec::new()));
                    }
                    measured += u64::from(now >= from);
                }
            });
        }
        let mut outcome = gather(connections).await?;
        outcome.rate /= f64::from(self.seconds);
        Ok(outcome)
    }
}

impl OpenLoop<'_> {
    pub(crate) async fn run(&self) -> Result<Outcome> {
        let (timetable, due) = mpsc::unbounded_channel::<Instant>();
        let due = Arc::new(Mutex::new(due));
        let measured_from = Instant::now() + WARM_UP;
        let mut connections = JoinSet::new();
        for index in 0..self.connections {
            let share = share(self.requests, index, self.connections);
            let mut client = Client::connect(self.port, share).await?;
            let due = Arc::clone(&due);
            connections.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let next = due.lock().await.recv().await;
                    let Some(intended) = next else { break };
                    client.ask().await?;
                    if intended >= measured_from {
                        latencies.push(intended.elapsed());
                    }
                }
                Ok((client, 0, latencies))
            });
        }
        let interval = Duration::from_secs_f64(1.0 / self.rate);
        let to = measured_from + Duration::from_secs(u64::from(self.seconds));
        let clock = std::thread::spawn(move || announce(interval, to, &timetable));
        let outcome = gather(connections).await;
        clock.join().ok().context("the timetable stopped")?;
        outcome
    }
}

/// A thread of its own, because the runtime's timers have a resolution of one millisecond.
#[expect(clippy::disallowed_methods, reason = "it paces the load and serves nobody")]
fn announce(interval: Duration, to: Instant, timetable: &mpsc::UnboundedSender<Instant>) {
    let mut next = Instant::now();
    while next < to {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if timetable.send(next).is_err() {
            return;
        }
        next += interval;
    }
}

/// The requests of the connection with this index; at least one.
fn share(requests: &[Vec<u8>], index: usize, connections: usize) -> Vec<Vec<u8>> {
    requests.iter().skip(index % requests.len()).step_by(connections).cloned().collect()
}

struct Client {
    wire: Wire,
    requests: Vec<Vec<u8>>,
    next: usize,
    answers: u64,
    samples: Vec<Vec<u8>>,
}

impl Client {
    async fn connect(port: u16, requests: Vec<Vec<u8>>) -> Result<Self> {
        Ok(Self { wire: Wire::connect(port).await?, requests, next: 0, answers: 0, samples: Vec::new() })
    }

    async fn ask(&mut self) -> Result<()> {
        let answer = self.wire.exchange(&self.requests[self.next]).await?;
        self.next = (self.next + 1) % self.requests.len();
        ensure!(answer.status == 200, "status {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        if self.answers.is_multiple_of(SAMPLE_EVERY) {
            self.samples.push(answer.body.to_vec());
        }
        self.answers += 1;
        Ok(())
    }
}

/// `rate` in the outcome is still a count.
async fn gather(mut connections: JoinSet<Result<(Client, u64, Vec<Duration>)>>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    while let Some(ended) = connections.join_next().await {
        let (client, measured, latencies) = ended??;
        outcome.answers += client.answers;
        outcome.samples.extend(client.samples);
        outcome.rate += measured as f64;
        outcome.latencies.extend(latencies);
    }
    Ok(outcome)
}
