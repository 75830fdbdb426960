//! Threads that sign, so that a burst of signatures never holds up the threads that serve requests.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::signing::signing_key::{SigningError, SigningKey};

/// Enough for every connection that may be open by default, so that only an overload is refused.
const QUEUE: usize = 16_384;

pub struct SignerPool {
    jobs: SyncSender<Job>,
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
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("signer-{number}"))
                .spawn(move || work(&queue))
                .expect("the operating system gives threads at the start");
        }
        Self { jobs }
    }

    pub async fn sign(&self, key: Arc<SigningKey>, input: String) -> Result<String, SigningError> {
        let (answer, signed) = oneshot::channel();
        self.jobs.try_send(Job { key, input, answer }).map_err(|error| match error {
            TrySendError::Full(_) => SigningError::Busy,
            TrySendError::Disconnected(_) => SigningError::Failed,
        })?;
        signed.await.map_err(|_| SigningError::Failed)?
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { key, input, answer }) = next else { return };
        // A caller that gave up waiting needs no signature.
        if !answer.is_closed() {
            let _ = answer.send(key.sign(input));
        }
    }
}
