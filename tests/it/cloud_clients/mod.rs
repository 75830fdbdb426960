//! Clients of the clouds that nobody here wrote, against clouds that are played: first credentials, renewed
//! ones, and a refusal as their users see it.

mod aws;
mod azure;
mod client;
mod gcloud;
mod google;
mod long_run;
mod refusals;
mod world;

use std::time::Instant;

use self::client::Call;
use crate::clouds::sessions::Sessions;
use crate::harness::DEADLINE;

/// Has a client call until it has renewed its credentials, which must never show. Returns how many calls
/// that took.
#[track_caller]
fn renews(sessions: &Sessions, caller: &str, mut call: impl FnMut() -> Call) -> usize {
    let before = sessions.count();
    assert_eq!(call().as_deref(), Ok(caller), "the first call");
    let first = sessions.count();
    assert!(first > before, "it got credentials of its own");
    let (began, mut calls) = (Instant::now(), 1);
    while sessions.count() == first {
        assert!(began.elapsed() < DEADLINE, "it never renews");
        assert_eq!(call().as_deref(), Ok(caller));
        calls += 1;
    }
    assert_eq!(call().as_deref(), Ok(caller), "with the credentials that it has now");
    calls
}
