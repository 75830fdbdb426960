//! Randomness from a seed, so that a failed run can be repeated.

use jiff::SignedDuration;

/// splitmix64: small, and every seed gives another sequence.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7275_6e6d_696e_7421)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, inclusive.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low) + 1;
        low + i64::try_from(self.number() % span).expect("a span of times is small")
    }

    pub(super) fn duration(&mut self, low: SignedDuration, high: SignedDuration) -> SignedDuration {
        let millis =
            |duration: SignedDuration| i64::try_from(duration.as_millis()).expect("less than an age");
        SignedDuration::from_millis(self.between(millis(low), millis(high)))
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.number() % length as u64).expect("an index fits")
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.index(all.len())]
    }

    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.index(last + 1));
        }
    }
}
