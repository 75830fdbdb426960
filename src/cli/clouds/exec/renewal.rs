//! When to renew tokens and sessions, and how to handle failures.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Long enough for clients that read a token late: botocore starts to renew 15 minutes before a session ends, Azure's
/// libraries keep a token file's content for 10 minutes.
pub(super) const WANTED: SignedDuration = SignedDuration::from_hours(1);
/// Leaves 15 minutes of validity even after ten minutes of failures.
const AHEAD: SignedDuration = SignedDuration::from_mins(25);
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(2);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_mins(1);
/// The shortest pause between two requests, whatever the lifetimes are.
const SHORTEST: SignedDuration = SignedDuration::from_millis(200);
/// Only the clock shows that the machine was suspended: check it this often.
const LONGEST_LOOK: SignedDuration = SignedDuration::from_secs(15);

/// The validity of a token or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) from: Timestamp,
    pub(super) lifetime: SignedDuration,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Renewed {
    Until(Lease),
    /// There will be no newer one, for this reason.
    Last(String),
    Failed(String),
}

/// The clock, the pauses and the randomness of renewal.
pub(super) trait Pace: Sync {
    fn now(&self) -> Timestamp;
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// From 0 to 1.
    fn random(&self) -> f64;
}

/// Something that expires.
pub(super) trait Renewable: Send {
    /// Opens the messages about it.
    fn name(&self) -> &str;
    fn renew(&mut self) -> impl Future<Output = Renewed> + Send;
    fn say(&self, text: &str);
}

impl Lease {
    pub(super) fn end(&self) -> Timestamp {
        self.from.saturating_add(self.lifetime).expect("seconds only")
    }

    /// 25 minutes before the end, or halfway if that is later; up to a tenth earlier at random, so that runs that
    /// started together do not renew together.
    fn renew_at(&self, random: f64) -> Timestamp {
        let after = (self.lifetime / 2).max(self.lifetime - AHEAD);
        self.from.saturating_add(after.mul_f64(1.0 - 0.1 * random).max(SHORTEST)).expect("seconds only")
    }
}

/// Renews until there is no newer token or session. Reports the first failure and every fifth one; a failure ends
/// nothing.
pub(super) async fn keep_renewing(mut what: impl Renewable, mut lease: Lease, pace: &impl Pace) {
    loop {
        wait_until(lease.renew_at(pace.random()), pace).await;
        let mut failures = 0;
        lease = loop {
            match what.renew().await {
                Renewed::Until(next) => {
                    if failures > 0 {
                        what.say(&format!("{}: renewed after {failures} failed attempts", what.name()));
                    }
                    break next;
                }
                Renewed::Last(why) => return what.say(&format!("{}: {why}", what.name())),
                Renewed::Failed(why) => {
                    failures += 1;
                    if failures == 1 || failures % 5 == 0 {
                        what.say(&format!("{}: {why} {}", what.name(), remaining(lease, pace.now())));
                    }
                    let pause = retry_pause(lease, failures, pace.random());
                    wait_until(pace.now().saturating_add(pause).expect("seconds only"), pace).await;
                }
            }
        };
    }
}

fn remaining(lease: Lease, now: Timestamp) -> String {
    match lease.end().duration_since(now).as_secs() {
        left if left > 0 => {
            format!("(trying again; the current one is valid for {} min {} s)", left / 60, left % 60)
        }
        _ => "(trying again; the current one has expired)".to_owned(),
    }
}

/// Doubles up to a minute, but to at most a tenth of the lifetime.
fn retry_pause(lease: Lease, failures: u32, random: f64) -> SignedDuration {
    let most = LONGEST_RETRY.min(lease.lifetime / 10);
    let pause = FIRST_RETRY.saturating_mul(1 << failures.min(8).saturating_sub(1)).min(most);
    pause.mul_f64(0.5 + 0.5 * random).max(SHORTEST)
}

async fn wait_until(time: Timestamp, pace: &impl Pace) {
    loop {
        let left = time.duration_since(pace.now());
        if left <= SignedDuration::ZERO {
            return;
        }
        pace.sleep(left.min(LONGEST_LOOK).unsigned_abs()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Advances only in `sleep`.
    struct TestPace {
        now: Mutex<Timestamp>,
        random: f64,
    }

    impl Pace for TestPace {
        fn now(&self) -> Timestamp {
            *self.now.lock().unwrap()
        }

        async fn sleep(&self, time: Duration) {
            *self.now.lock().unwrap() += SignedDuration::try_from(time).unwrap();
        }

        fn random(&self) -> f64 {
            self.random
        }
    }

    /// A file whose token is renewed as `attempt` says.
    struct TestFile<'a, F> {
        attempt: F,
        said: &'a Mutex<Vec<String>>,
    }

    impl<F: FnMut() -> Renewed + Send> Renewable for TestFile<'_, F> {
        fn name(&self) -> &'static str {
            "aws.jwt"
        }

        async fn renew(&mut self) -> Renewed {
            (self.attempt)()
        }

        fn say(&self, text: &str) {
            self.said.lock().unwrap().push(text.to_owned());
        }
    }

    fn pace(random: f64) -> TestPace {
        TestPace { now: Mutex::new(Timestamp::UNIX_EPOCH), random }
    }

    fn lease(from: Timestamp, minutes: i64) -> Lease {
        Lease { from, lifetime: SignedDuration::from_mins(minutes) }
    }

    async fn said(pace: &TestPace, first: Lease, attempt: impl FnMut() -> Renewed + Send) -> Vec<String> {
        let said = Mutex::default();
        keep_renewing(TestFile { attempt, said: &said }, first, pace).await;
        said.into_inner().unwrap()
    }

    #[tokio::test]
    async fn a_quarter_of_an_hour_remains_at_each_renewal_over_twelve_hours() {
        for random in [0.0, 0.5, 1.0] {
            let pace = pace(random);
            let first = lease(pace.now(), 60);
            let mut current = first;
            let mut count = 0;
            let renew = || {
                let left = current.end().duration_since(pace.now());
                assert!(left >= SignedDuration::from_mins(15), "{left}");
                count += 1;
                if pace.now().as_second() > 12 * 3_600 {
                    return Renewed::Last("the run ended".into());
                }
                current = lease(pace.now(), 60);
                Renewed::Until(current)
            };
            assert_eq!(said(&pace, first, renew).await, ["aws.jwt: the run ended"]);
            assert!((20..=24).contains(&count), "{count}");
        }
    }

    #[tokio::test]
    async fn after_failures_of_nine_minutes_a_quarter_of_an_hour_remains() {
        let pace = pace(1.0);
        let first = lease(pace.now(), 60);
        let (mut began, mut is_renewed) = (None, false);
        let renew = || {
            let began = *began.get_or_insert(pace.now());
            if is_renewed {
                return Renewed::Last("enough".into());
            }
            if pace.now().duration_since(began) < SignedDuration::from_mins(9) {
                return Renewed::Failed("no answer".into());
            }
            assert!(first.end().duration_since(pace.now()) >= SignedDuration::from_mins(15));
            is_renewed = true;
            Renewed::Until(lease(pace.now(), 60))
        };
        let said = said(&pace, first, renew).await;
        assert_eq!(said[0], "aws.jwt: no answer (trying again; the current one is valid for 28 min 30 s)");
        assert!(said[said.len() - 2].starts_with("aws.jwt: renewed after "), "{said:?}");
        assert!(said.len() < 8, "told now and then: {said:?}");
    }

    #[tokio::test]
    async fn renewal_continues_after_expiry() {
        let pace = pace(0.5);
        let first = lease(pace.now(), 60);
        let renew = || {
            if pace.now() < first.end() + SignedDuration::from_hours(1) {
                return Renewed::Failed("no answer".into());
            }
            Renewed::Last("enough".into())
        };
        let said = said(&pace, first, renew).await;
        assert!(
            said.iter().any(|line| line.ends_with("(trying again; the current one has expired)")),
            "{said:?}"
        );
        assert_eq!(said.last().unwrap(), "aws.jwt: enough");
    }

    #[test]
    fn short_lives_are_renewed_halfway_and_retried_in_time() {
        let start = Timestamp::UNIX_EPOCH;
        for (minutes, after) in [(4, 2), (20, 10), (50, 25), (60, 35), (120, 95)] {
            assert_eq!(lease(start, minutes).renew_at(0.0).as_second(), after * 60, "{minutes}");
        }
        let short = Lease { from: start, lifetime: SignedDuration::from_secs(10) };
        assert!((1..20).all(|failures| retry_pause(short, failures, 1.0) <= SignedDuration::from_secs(1)));
        let long = lease(start, 60);
        assert_eq!(retry_pause(long, 1, 0.0), SignedDuration::from_secs(1));
        assert_eq!(retry_pause(long, 100, 1.0), LONGEST_RETRY);
    }
}
