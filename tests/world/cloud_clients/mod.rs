//! Third-party cloud clients against stand-in clouds: first credentials, renewed credentials, and a refusal
//! as their users see it.

mod aws;
mod azure;
mod client;
mod docs;
mod gcloud;
mod google;
mod long_exec;
mod long_run;
mod refusals;
mod terraform;
mod under_exec;
mod world;

use std::time::Instant;

use self::client::Call;
use crate::clouds::sessions::Sessions;
use crate::harness::DEADLINE;

/// Calls a client until it has renewed its credentials, which must be invisible to its caller.
#[track_caller]
fn renews(sessions: &Sessions, caller: &str, call: impl FnMut() -> Call) {
    assert_eq!(renews_as_somebody(sessions, call), caller);
}

/// The same for any identity, which it returns.
#[track_caller]
fn renews_as_somebody(sessions: &Sessions, mut call: impl FnMut() -> Call) -> String {
    let before = sessions.count();
    let caller = call().expect("the first call");
    let first = sessions.count();
    assert!(first > before, "it got credentials of its own");
    let began = Instant::now();
    while sessions.count() == first {
        assert!(began.elapsed() < DEADLINE, "it never renews");
        assert_eq!(call().as_ref(), Ok(&caller));
    }
    assert_eq!(call().as_ref(), Ok(&caller), "with the credentials that it has now");
    caller
}
