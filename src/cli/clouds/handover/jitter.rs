//! Randomness that spreads retries and renewals over time.

use crate::entropy::Entropy;

/// From 0 to 1.
pub(in crate::cli) fn random(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
