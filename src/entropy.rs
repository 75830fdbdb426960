//! Randomness, passed in: the operating system's in service, seeded in tests.

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

pub trait Entropy: Send + Sync + 'static {
    /// Fills `dest` with unpredictable bytes.
    fn fill(&self, dest: &mut [u8]);
}

pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    #[expect(clippy::new_without_default, reason = "randomness is asked for by name, never by default")]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, dest: &mut [u8]) {
        // Without randomness no secret may be created: aborting this request is the only safe answer.
        self.0.fill(dest).expect("the operating system provides randomness");
    }
}

/// A UUID of version 7: ordered by `now`, with 74 random bits (RFC 9562 §5.7).
pub fn uuid_at(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}
