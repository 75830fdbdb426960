//! Bytes derived from a sealing key.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac;

use crate::entropy::Entropy;

/// HMAC-SHA-256 of a counter, block by block (NIST SP 800-108r1 §4.1).
pub struct Derived {
    key: hmac::Key,
    block: AtomicU64,
}

impl Derived {
    pub(super) fn new(key: hmac::Key) -> Self {
        Self { key, block: AtomicU64::new(0) }
    }
}

impl Entropy for Derived {
    fn fill(&self, dest: &mut [u8]) {
        for part in dest.chunks_mut(32) {
            let number = self.block.fetch_add(1, Ordering::Relaxed);
            let block = hmac::sign(&self.key, &number.to_be_bytes());
            part.copy_from_slice(&block.as_ref()[..part.len()]);
        }
    }
}
