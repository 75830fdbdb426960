//! The time, passed in. Nothing else in this crate reads a clock, so tests set the time and never sleep.

use jiff::Timestamp;

pub trait Clock: Send + Sync + 'static {
    /// The current time in whole milliseconds, the precision of the database.
    fn now(&self) -> Timestamp;
}

pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now().as_millisecond();
        Timestamp::from_millisecond(now).expect("the present is a timestamp")
    }
}
