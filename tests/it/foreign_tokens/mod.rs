//! Attacks on verification.
