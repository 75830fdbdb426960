use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn work_that_panics_is_done_again() {
    let (done, mut times) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicU32::new(0));
    let work = move || {
        let (done, time) = (done.clone(), count.fetch_add(1, Ordering::Relaxed));
        async move {
            assert!(!time.is_multiple_of(2), "every other time");
            done.send(time).unwrap();
        }
    };
    let keeping = tokio::spawn(keep_doing(Duration::from_millis(1), work));
    for expected in [1, 3, 5] {
        assert_eq!(times.recv().await, Some(expected));
    }
    keeping.abort();
}
