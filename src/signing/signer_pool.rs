//! Threads that sign, so that a burst of signatures never holds up the threads that serve requests.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::signing::signing_key::{SigningError, SigningKey};

/// Enough for every connection that may be open by default, so that only an overload is refused.
const QUEUE: usize = 16_384;
/// Signatures that keep one thread busy for some milliseconds.
const LONG_BACKLOG: usize = 10;

pub struct SignerPool {
    jobs: SyncSender<Job>,
    backlog: Backlog,
}

/// The signatures that were asked for and are not begun.
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
    /// One thread for each core. They end when the pool is dropped.
    pub fn start() -> Self {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = thread::available_parallelism().map_or(2, NonZero::get);
        let backlog = Backlog { waiting: Arc::default(), threads };
        for number in 0..threads {
            let (queue, backlog) = (Arc::clone(&queue), backlog.clone());
            thread::Builder::new()
                .name(format!("signer-{number}"))
                .spawn(move || work(&queue, &backlog))
                .expect("the operating system gives threads at the start");
        }
        Self { jobs, backlog }
    }

    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    pub async fn sign(&self, key: Arc<SigningKey>, input: String) -> Result<String, SigningError> {
        let (answer, signed) = oneshot::channel();
        // Counted before a thread can take it and count it off.
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(Job { key, input, answer }).map_err(|error| {
            self.backlog.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => SigningError::Busy,
                TrySendError::Disconnected(_) => SigningError::Failed,
            }
        })?;
        signed.await.map_err(|_| SigningError::Failed)?
    }
}

impl Backlog {
    /// Whether the threads would not run out of work if nothing came for some milliseconds.
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
