//! Threads that sign, so that a burst of signatures never delays the threads that serve requests, and a slow
//! module never delays the keys in memory.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::signing::signer::{Pace, SigningError};
use crate::signing::signing_key::SigningKey;

/// Enough for every connection that may be open by default, so that only overload is refused.
const QUEUE: usize = 16_384;
/// Signatures that keep one thread busy for some milliseconds.
const LONG_BACKLOG: usize = 10;
/// Threads for keys in modules. They wait rather than compute, so their number does not depend on the cores.
const WAITING_THREADS: usize = 16;
/// Requests that may wait for a module. At about ten milliseconds each, this is seconds' worth.
const WAITING_QUEUE: usize = 2_048;

/// The threads that sign.
pub struct SignerPool {
    computing: Threads,
    /// Started when the first key of a module signs.
    waiting: OnceLock<Threads>,
}

struct Threads {
    jobs: SyncSender<Job>,
    backlog: Backlog,
}

/// The number of requested signatures that no thread has started.
#[derive(Clone)]
pub struct Backlog {
    waiting: Arc<AtomicUsize>,
    threads: usize,
}

struct Job {
    key: Arc<SigningKey>,
    input: String,
    answer: oneshot::Sender<Result<String, SigningError>>,
}

impl SignerPool {
    /// Starts one thread for each core; threads that wait for modules start later. All end when the pool is
    /// dropped.
    pub fn start() -> Self {
        let cores = thread::available_parallelism().map_or(2, NonZero::get);
        Self { computing: Threads::start("signer", cores, QUEUE), waiting: OnceLock::new() }
    }

    /// The backlog of the threads that compute.
    pub fn backlog(&self) -> Backlog {
        self.computing.backlog.clone()
    }

    /// Appends the signature of `key` to the JWS signing input. Refuses with `Busy` if the queue is full.
    pub async fn sign(&self, key: Arc<SigningKey>, input: String) -> Result<String, SigningError> {
        match key.pace() {
            Pace::Computes => self.computing.sign(key, input).await,
            Pace::Waits => {
                let start = || Threads::start("module", WAITING_THREADS, WAITING_QUEUE);
                self.waiting.get_or_init(start).sign(key, input).await
            }
        }
    }
}

impl Threads {
    fn start(name: &str, threads: usize, queue: usize) -> Self {
        let (jobs, queue) = sync_channel(queue);
        let queue = Arc::new(Mutex::new(queue));
        let backlog = Backlog { waiting: Arc::default(), threads };
        for number in 0..threads {
            let (queue, backlog) = (Arc::clone(&queue), backlog.clone());
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&queue, &backlog))
                .expect("the operating system gives threads at the start");
        }
        Self { jobs, backlog }
    }

    async fn sign(&self, key: Arc<SigningKey>, input: String) -> Result<String, SigningError> {
        let ended = || SigningError::Failed("the signing thread ended".into());
        let (answer, signed) = oneshot::channel();
        // Counted before a thread can take the job and count it off.
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(Job { key, input, answer }).map_err(|error| {
            self.backlog.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => SigningError::Busy,
                TrySendError::Disconnected(_) => ended(),
            }
        })?;
        signed.await.map_err(|_| ended())?
    }
}

impl Backlog {
    /// Whether the threads have work for some milliseconds.
    pub fn is_long(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= LONG_BACKLOG * self.threads
    }
}

fn work(queue: &Mutex<Receiver<Job>>, backlog: &Backlog) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { key, input, answer }) = next else { return };
        backlog.waiting.fetch_sub(1, Ordering::Relaxed);
        // A caller that gave up waiting needs no signature.
        if !answer.is_closed() {
            let _ = answer.send(key.sign(input));
        }
    }
}
